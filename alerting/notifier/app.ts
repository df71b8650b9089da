/** The notifier's routes: Alertmanager's webhook in, what became of each notification out. */
import { Hono } from 'hono';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import type { Logger } from '../../otel/logger.ts';
import { answerScrape } from '../../otel/prometheus/scrape.ts';
import type { Telemetry } from '../../otel/sdk.ts';
import { nameRoute } from '../../src/kit/requests.ts';
import { limitBody, refusePages, requireToken } from './guards.ts';
import type { Intake } from './intake.ts';
import { headings, writeParts } from './message/markdown.ts';
import type { Message } from './message/message.ts';
import { states } from './outbox/outbox.ts';
import type { Notification, Outbox } from './outbox/outbox.ts';
import { traceIdOf } from './traces.ts';
import type { Watchdog } from './watch/watchdog.ts';
import { parseWebhook } from './webhook.ts';

export interface AppDeps {
  outbox: Outbox;
  intake: Intake;
  watchdog: Pick<Watchdog, 'seen' | 'lastSeenAt'>;
  token: string | undefined;
  render: (notifications: readonly Notification[]) => Message;
  /** Something is owed to these again. */
  onResent: (channel: string) => void;
  telemetry: Pick<Telemetry, 'scrape'>;
  log: Logger;
  draining: () => boolean;
  now?: () => number;
}

const maxListed = 500;
const runbooksDir = join(import.meta.dirname, '../runbooks');
const diskSentence = 'The alert cannot be persisted now. Free the disk; send it again.';

export function createApp(deps: AppDeps) {
  const { outbox, watchdog, log, now = Date.now } = deps;
  const guard = requireToken(deps.token);
  const app = new Hono();
  app.use(nameRoute);

  app.post('/alerts/:route', refusePages, guard, limitBody, async (c) => {
    const parsed = parseWebhook(await c.req.text());
    if (parsed.kind === 'refused') return c.json({ error: parsed.sentence }, 400);
    // Only the notifier itself says what it found.
    const { origin: _, ...payload } = parsed.payload;
    const route = c.req.param('route');
    try {
      if (parsed.watchdog) watchdog.seen();
      if (payload.alerts.length === 0) return c.json({ status: 'nothing to tell' });
      const status = deps.intake(payload, { route });
      log.info({ status, alerts: payload.alerts.length }, 'webhook');
      return c.json({ status });
    } catch (error) {
      // Alertmanager retries on 5xx: the alert stays with it until we have a disk to keep it on.
      log.error({ err: error }, 'a webhook cannot be persisted');
      return c.json({ error: diskSentence }, 503);
    }
  });

  app.get('/api/notifications', guard, (c) => {
    const limit = Math.min(Number(c.req.query('limit')) || 100, maxListed);
    const wanted = c.req.query('state');
    const state = states.find((known) => known === wanted);
    if (wanted !== undefined && state === undefined) {
      const error = `state: expected ${states.join(', ')} or none, got another.`;
      return c.json({ error }, 400);
    }
    const notifications = outbox.list(Math.max(1, Math.floor(limit)), state);
    return c.json({
      watchdog: { lastSeenAt: toTime(watchdog.lastSeenAt()) },
      notifications: notifications.map((notification) => describe(notification, deps.render)),
    });
  });

  app.post('/api/notifications/:id{[0-9]+}/resend', refusePages, guard, (c) => {
    const id = Number(c.req.param('id'));
    const [notification] = outbox.read([id]);
    const status = outbox.resend(id, now());
    if (status === 'unknown' || notification === undefined) {
      return c.json({ error: 'There is no notification of this number.' }, 404);
    }
    if (status === 'not_dead') {
      return c.json({ error: `state: expected dead, got ${notification.state}.` }, 409);
    }
    log.info({ notification: id, channel: notification.channel }, 'a dead letter is sent again');
    deps.onResent(notification.channel);
    return c.json({ status }, 202);
  });

  app.get('/runbooks', async (c) => {
    const pages = (await readdir(runbooksDir)).filter((name) => name.endsWith('.md')).toSorted();
    return c.text(pages.map((page) => `/runbooks/${page.replace('.md', '')}\n`).join(''));
  });
  app.get('/runbooks/:alert{[A-Za-z]+}', async (c) => {
    const page = await readFile(join(runbooksDir, `${c.req.param('alert')}.md`), 'utf8').catch(
      () => undefined,
    );
    if (page === undefined) return c.text(`There is no runbook of this name.\n`, 404);
    return c.text(page);
  });
  app.get('/healthz', (c) => c.json({ status: 'ok' }));
  app.get('/readyz', (c) => {
    return deps.draining() ? c.json({ status: 'draining' }, 503) : c.json({ status: 'ready' });
  });
  app.get('/metrics', (c) => answerScrape(deps.telemetry, c.req.raw.headers));
  app.notFound((c) => {
    return c.json({ error: 'There is nothing here. Alertmanager posts to /alerts/default.' }, 404);
  });
  app.onError((error, c) => {
    log.error({ err: error }, 'a request failed');
    return c.json({ error: 'The notifier failed; its log says why.' }, 500);
  });
  return app;
}

function describe(notification: Notification, render: AppDeps['render']) {
  const { payload: _, alerts: __, progress: ___, traceparent, ...facts } = notification;
  const message = render([notification]);
  const [text] = writeParts(message, { style: headings, maxBytes: Number.POSITIVE_INFINITY });
  return {
    ...facts,
    receivedAt: toTime(facts.receivedAt),
    queuedAt: toTime(facts.queuedAt),
    nextAttemptAt: toTime(facts.nextAttemptAt),
    finishedAt: toTime(facts.finishedAt),
    traceId: traceIdOf(traceparent),
    message: { title: message.title, text },
  };
}

function toTime(millis: number | null | undefined): string | null {
  return millis === null || millis === undefined ? null : new Date(millis).toISOString();
}
