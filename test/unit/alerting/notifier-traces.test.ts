import { expect, test } from 'vitest';
import { createIntake } from '../../../alerting/notifier/intake.ts';
import { observeNotifier } from '../../../alerting/notifier/metrics.ts';
import { traceAttempt, traceIdOf } from '../../../alerting/notifier/traces.ts';
import { startTelemetry } from '../../../otel/sdk.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { createOutbox } from '../../support/alerting/notifier-parts.ts';
import { scrapeText } from '../../support/otel/scrape.ts';
import { findSpan, readTrace } from '../../support/otel/trace.ts';

const telemetry = startTelemetry({ serviceName: 'test', serviceVersion: '1.0.0', shareMillis: 0 });
const { tracer } = telemetry;
const startsAt = Date.UTC(2026, 3, 26, 3, 21, 41);

test('a notification is one trace, from the start of its alert to its delivery, including retries', async () => {
  const outbox = createOutbox();
  const receivedAt = startsAt + 12_000;
  const intake = createIntake({
    outbox,
    routes: [],
    channels: ['robot'],
    tracer,
    onAccepted: () => undefined,
    now: () => receivedAt,
  });
  const alert = createAlert({ startsAt: new Date(startsAt).toISOString() });
  intake(createWebhook([alert]), 'default');
  const [first] = outbox.list(1);
  if (first === undefined) throw new Error('no notification');
  const detail = 'HTTP 502';
  await traceAttempt(tracer, [first], () =>
    Promise.resolve({
      delivery: { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail },
    }),
  );
  await traceAttempt(tracer, [first], () => Promise.resolve({ delivery: { kind: 'delivered' } }));

  const traceId = traceIdOf(first.traceparent);
  const spans = await readTrace(telemetry, traceId ?? '');
  const raised = findSpan(spans, 'alert');
  expect([raised.startedAt, raised.endedAt]).toEqual([startsAt, receivedAt]);
  const attempts = spans.filter(({ name }) => name === 'deliver');
  // OTLP's 1 is INTERNAL, 3 is CLIENT.
  expect(raised.kind).toBe(1);
  expect(attempts.map(({ kind }) => kind)).toEqual([3, 3]);
  expect(attempts.map(({ parentId }) => parentId)).toEqual([raised.id, raised.id]);
  expect(attempts.map(({ failed }) => failed)).toEqual([true, false]);
  expect(attempts[0]?.attributes).toMatchObject({
    'notifier.channel': 'robot',
    'notifier.delivery.outcome': 'retry',
    'notifier.delivery.reason': 'server_error',
  });
});

test('a duplicate and a webhook that cannot be stored export no span', async () => {
  const outbox = createOutbox({ maxBytes: 160 * 1024 });
  const now = (): number => startsAt;
  const intake = createIntake({
    outbox,
    routes: [],
    channels: ['robot'],
    tracer,
    onAccepted: () => undefined,
    now,
  });
  intake(createWebhook([createAlert()]), 'default');
  const { counts } = await telemetry.traces.list();
  expect(intake(createWebhook([createAlert()]), 'default')).toBe('duplicate');
  const huge = createAlert({ fingerprint: 'huge', annotations: { summary: 'x'.repeat(200_000) } });
  expect(() => intake(createWebhook([huge]), 'default')).toThrow('full');
  expect(await telemetry.traces.list()).toMatchObject({ counts });
});

test('a digest counts each of its notifications; dead letters and the age of the Watchdog are measured', async () => {
  const onDelivery = observeNotifier(telemetry.meter, {
    channels: ['robot', 'mail'],
    outbox: { oldestPendingAt: () => undefined, deadLetters: () => new Map([['mail', 2]]) },
    watchdog: { silentMillis: () => 60_500 },
  });
  const delivered = 'notifier_notifications_total{channel="robot",outcome="delivered"}';
  const text = async (): Promise<string> => scrapeText(telemetry);
  expect(await text()).toContain(`${delivered} 0`);
  const eventAt = Date.now() - 45_000;
  const notifications = Array.from({ length: 50 }, (_, index) => ({
    // The others are reminders.
    eventAt: index < 2 ? eventAt : null,
  }));
  const attempt = { channel: 'robot', notifications, seconds: 0.3, failures: 1 };
  onDelivery({ ...attempt, delivery: { kind: 'partial', progress: '1' } });
  onDelivery({ ...attempt, delivery: { kind: 'delivered' } });
  const page = await text();
  expect(page).toContain(`${delivered} 50`);
  expect(page).toContain('notifier_delivery_age_seconds_bucket{channel="robot",le="60.0"} 2');
  expect(page).toContain('notifier_delivery_age_seconds_bucket{channel="robot",le="30.0"} 0');
  expect(page).toContain('notifier_delivery_age_seconds_count{channel="mail"} 0');
  expect(page).toContain(
    'notifier_attempt_duration_seconds_count{channel="robot",outcome="delivered"} 2',
  );
  expect(page).toContain('notifier_template_failures_total{channel="robot"} 2');
  expect(page).toContain('notifier_template_failures_total{channel="mail"} 0');
  expect(await text()).toContain('notifier_dead_letters{channel="mail"} 2');
  expect(await text()).toContain('notifier_dead_letters{channel="robot"} 0');
  expect(await text()).toMatch(/notifier_heartbeat_age_seconds 6[0-9]/);
});
