/** POST /api/silences: keeps one alert from being told for a while, for a reason that others can read. */
import { z } from 'zod';
import type { ReadBody } from '../../api/body.ts';
import type { Endpoint } from '../../api/endpoint.ts';
import type { Log } from '../../api/request-context.ts';
import type { Peers } from '../../config.ts';
import { ChatError } from '../../errors.ts';
import { postSilence, readAlerts } from './alertmanager.ts';
import { alertsKey } from './alerts.ts';
import type { SharedReads } from './shared-reads.ts';
import { createConsoleError } from './text.ts';

const longestMinutes = 24 * 60;
const longestReason = 500;

const SilenceRequest = z.object({
  /** Of an alert that GET /api/alerts lists. */
  fingerprint: z.string().max(64),
  /** 60 without. */
  minutes: z.int().min(1).max(longestMinutes).default(60),
  reason: z.string().max(longestReason),
});

export interface SilenceDeps {
  peers: Pick<Peers, 'alertmanager'>;
  readBody: ReadBody;
  log: Log;
}

export function createSilence(deps: SilenceDeps, share: SharedReads): Endpoint {
  return {
    method: 'POST',
    path: '/api/silences',
    summary: 'Silences one alert that fires, for a while and a reason',
    access: 'console-write',
    request: {
      name: 'SilenceRequest',
      schema: SilenceRequest,
      examples: {
        hour: {
          fingerprint: 'c0ffee0000000001',
          minutes: 60,
          reason: 'The disk is being changed.',
        },
      },
    },
    success: 201,
    answers: {
      'application/json': {
        name: 'Silence',
        schema: z.object({ id: z.string() }),
        example: { id: '3c6d9a52-3f1b-4a5e-9a55-8a3f9b6d2c11' },
      },
    },
    errors: [
      'bad_request',
      'unauthorized',
      'forbidden',
      'alert_gone',
      'too_large',
      'shutdown',
      'peer_unreachable',
    ],
    async handle(c) {
      const { fingerprint, minutes, reason } = await deps.readBody(c, SilenceRequest);
      const comment = reason.trim();
      if (comment === '') throw reasonMissing();
      const { alertmanager } = deps.peers;
      const alerts = await readAlerts(alertmanager);
      const alert = alerts.find((candidate) => candidate.fingerprint === fingerprint);
      if (alert === undefined) throw alertGone();
      const startsAt = new Date();
      const endsAt = new Date(startsAt.getTime() + minutes * 60_000);
      const { labels } = alert;
      const id = await postSilence(alertmanager, { labels, startsAt, endsAt, comment });
      share.forget(alertsKey);
      deps.log.info({ silence: id, alert: labels['alertname'], minutes }, 'an alert is silenced');
      return c.json({ id }, 201);
    },
  };
}

function reasonMissing(): ChatError {
  const en = 'reason: expected a few words for whoever wonders why nobody was told, got none.';
  const zh = 'reason：请写明原因，以便他人知道为何没有收到通知；目前为空。';
  return new ChatError('bad_request', en, { zh, param: 'reason' });
}

function alertGone(): ChatError {
  return createConsoleError('alert_gone', {
    en: 'fingerprint: expected an alert that fires, this one is over. Load the list again.',
    zh: 'fingerprint：应为正在触发的告警，该告警已经结束。请重新加载列表。',
  });
}
