/** POST /api/silences: silences one alert in Alertmanager for some minutes, with a reason. POST /api/silences/{id}/expire ends it. */
import { z } from 'zod';
import type { ReadBody } from '../../api/body.ts';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import type { Log } from '../../api/request-context.ts';
import type { Config } from '../../config.ts';
import { ChatError } from '../../errors.ts';
import { expireSilence, postSilence, readAlerts, readSilences } from './alertmanager.ts';
import { alertsKey } from './alerts.ts';
import type { SharedReads } from './shared-reads.ts';

const maxMinutes = 24 * 60;
const maxReasonLength = 500;

const SilenceRequest = z.object({
  /** An alert of GET /api/alerts. */
  fingerprint: z.string().max(64),
  minutes: z.int().min(1).max(maxMinutes).default(60),
  // The handler refuses an empty one, in two languages.
  reason: z
    .string()
    .max(maxReasonLength)
    .meta({ pattern: String.raw`\S` }),
});

export interface SilenceDeps extends Pick<Config, 'peers'> {
  readBody: ReadBody;
  log: Log;
}

export function createSilence(deps: SilenceDeps, share: SharedReads): Endpoint {
  return {
    method: 'POST',
    path: '/api/silences',
    summary: 'Silences one firing alert for some minutes, with a reason',
    access: 'console-write',
    request: {
      name: 'SilenceRequest',
      schema: SilenceRequest,
      examples: {
        hour: { fingerprint: 'c0ffee0000000001', minutes: 60, reason: 'Replacing the disk.' },
      },
    },
    success: 201,
    answers: answersJson('Silence', z.object({ id: z.string() }), {
      id: '3c6d9a52-3f1b-4a5e-9a55-8a3f9b6d2c11',
    }),
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
      if (comment === '') {
        throw new ChatError('bad_request', 'reason: required. Say why this alert is silenced.', {
          zh: 'reason：必填。请说明静默该告警的原因。',
          param: 'reason',
        });
      }
      const { alertmanager } = deps.peers;
      const alerts = await readAlerts(alertmanager);
      const alert = alerts.find((candidate) => candidate.fingerprint === fingerprint);
      if (alert === undefined) {
        throw new ChatError(
          'alert_gone',
          'fingerprint: this alert is no longer firing. Reload the list.',
          { zh: 'fingerprint：该告警已恢复，请刷新列表。' },
        );
      }
      const id = await postSilence(alertmanager, alert, { minutes, comment });
      share.forget(alertsKey);
      deps.log.info({ silence: id, alert: alert.labels['alertname'], minutes }, 'alert silenced');
      return c.json({ id }, 201);
    },
  };
}

const Expired = z.object({ id: z.string() });

export function createSilenceEnd(deps: SilenceDeps, share: SharedReads): Endpoint {
  return {
    method: 'POST',
    path: '/api/silences/:id/expire',
    summary: 'Ends a silence now',
    access: 'console-write',
    parameters: {
      id: {
        in: 'path',
        description: 'Id of a silence.',
        example: '3c6d9a52-3f1b-4a5e-9a55-8a3f9b6d2c11',
      },
    },
    answers: answersJson('ExpiredSilence', Expired, { id: '3c6d9a52-3f1b-4a5e-9a55-8a3f9b6d2c11' }),
    errors: ['unauthorized', 'forbidden', 'not_found', 'shutdown', 'peer_unreachable'],
    async handle(c) {
      const id = c.req.param('id') ?? '';
      const { alertmanager } = deps.peers;
      const silences = await readSilences(alertmanager);
      if (!silences.some((silence) => silence.id === id && silence.status.state !== 'expired')) {
        throw new ChatError('not_found', 'id: no active silence has it. Reload the list.', {
          zh: 'id：该静默不存在或已失效，请刷新列表。',
        });
      }
      await expireSilence(alertmanager, id);
      share.forget(alertsKey);
      deps.log.info({ silence: id }, 'silence ended');
      return c.json({ id });
    },
  };
}
