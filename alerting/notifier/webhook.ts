/** Alertmanager's webhook payload, version 4: checked, keyed and parted from the watchdog. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

/** Why the notifier tells something that no webhook of Alertmanager said. */
const origins = ['never_told', 'end_never_told', 'notifier'] as const;
export type Origin = (typeof origins)[number];

const strings = z.record(z.string(), z.string());

const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: strings,
  annotations: strings.default({}),
  startsAt: z.string(),
  endsAt: z.string().default(''),
  generatorURL: z.string().default(''),
  fingerprint: z.string(),
});

// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; fields that we do not read may change.
const Payload = z.object({
  version: z.literal('4'),
  groupKey: z.string().min(1),
  truncatedAlerts: z.number().default(0),
  externalURL: z.string().default(''),
  receiver: z.string().default(''),
  alerts: z.array(Alert),
  // Ours alone: what the notifier found or says by itself is kept and told as a webhook is.
  origin: z.enum(origins).optional(),
});

export type Alert = z.infer<typeof Alert>;
export type Payload = z.infer<typeof Payload>;

export type ParsedWebhook =
  | { kind: 'payload'; payload: Payload; watchdog: boolean }
  | { kind: 'refused'; sentence: string };

export const watchdogName = 'Watchdog';

/** A payload as Alertmanager would write it, for what the notifier tells by itself. */
export function ownPayload(origin: Origin, groupKey: string, alerts: Alert[]): Payload {
  return {
    version: '4',
    groupKey,
    truncatedAlerts: 0,
    externalURL: '',
    receiver: '',
    alerts,
    origin,
  };
}

/** A payload that the outbox holds. @throws Error when it is none. */
export function readStored(text: string): Payload {
  const parsed = parseWebhook(text);
  if (parsed.kind === 'payload') return parsed.payload;
  throw new Error('the outbox holds a payload that cannot be read');
}

/**
 * Reads one webhook body. Watchdog alerts are taken out: they say that the path is alive, not that a person is needed;
 * `watchdog` tells that there was one, and `alerts` may then be empty.
 */
export function parseWebhook(body: string): ParsedWebhook {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return refuse('body', 'JSON', 'something else');
  }
  const parsed = Payload.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(issue?.path.join('.') || 'body', "Alertmanager's", issue?.message ?? 'another');
  }
  return { kind: 'payload', ...withoutWatchdog(parsed.data) };
}

function refuse(where: string, expected: string, got: string): ParsedWebhook {
  const sentence = `${where}: expected ${expected} webhook payload, version 4 (${got}). Point a webhook_config at this URL.`;
  return { kind: 'refused', sentence };
}

function withoutWatchdog(payload: Payload): { payload: Payload; watchdog: boolean } {
  const alerts = payload.alerts.filter(({ labels }) => labels['alertname'] !== watchdogName);
  return { payload: { ...payload, alerts }, watchdog: alerts.length < payload.alerts.length };
}

/**
 * The same key for the same news: group, and each alert's identity, state and start. Alertmanager sends a webhook twice
 * after a crash, from a pair, and when our answer came too late.
 */
export function idempotencyKey(route: string, { groupKey, alerts }: Payload): string {
  const states = alerts.map(({ fingerprint, status, startsAt }) => [fingerprint, status, startsAt]);
  const sorted = states.map((state) => state.join(' ')).toSorted();
  return createHash('sha256')
    .update(JSON.stringify([route, groupKey, sorted]))
    .digest('hex');
}
