/** Alertmanager's webhook payload, version 4: validated and separated from the Watchdog. */
import { z } from 'zod';

const strings = z.record(z.string(), z.string());

export const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: strings,
  annotations: strings.default({}),
  startsAt: z.string(),
  endsAt: z.string().default(''),
  generatorURL: z.string().default(''),
  fingerprint: z.string(),
});

// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config; fields that the notifier does not read are dropped.
const Webhook = z.object({
  version: z.literal('4'),
  groupKey: z.string().min(1),
  truncatedAlerts: z.number().default(0),
  externalURL: z.string().default(''),
  receiver: z.string().default(''),
  alerts: z.array(Alert),
});

export type Alert = z.infer<typeof Alert>;
/** An alert that the notifier builds itself. */
export type AlertInput = z.input<typeof Alert>;

/** Milliseconds since 1970. Undefined for an unknown time, which Alertmanager writes as year 1. */
export function readTime(text: string): number | undefined {
  const time = Date.parse(text);
  return time > 0 ? time : undefined;
}

/**
 * Source of an alert that no webhook contained: the reconciliation, for an alert of Prometheus (`missed`) or Alertmanager
 * (`unsent`), or for an end (`not_resolved`); or the notifier itself.
 */
export type Origin = 'missed' | 'unsent' | 'not_resolved' | 'notifier';

export type Payload = z.infer<typeof Webhook> & { origin?: Origin };

export type ParsedWebhook =
  | { kind: 'payload'; payload: Payload; watchdog: boolean }
  | { kind: 'refused'; sentence: string };

export const watchdogName = 'Watchdog';

/** A payload of the notifier itself, in the form of Alertmanager's. */
export function ownPayload(origin: Origin, groupKey: string, alerts: AlertInput[]): Payload {
  return { ...Webhook.parse({ version: '4', groupKey, alerts }), origin };
}

/**
 * Reads one webhook body. Watchdog alerts are removed, because they only show that alert delivery works and are sent to no channel;
 * `watchdog` is true when there was one, and `alerts` may then be empty.
 */
export function parseWebhook(body: string): ParsedWebhook {
  let json: unknown;
  try {
    json = JSON.parse(body);
  } catch {
    return refuse('the body is not JSON');
  }
  const parsed = Webhook.safeParse(json);
  if (!parsed.success) {
    const [issue] = parsed.error.issues;
    return refuse(`${issue?.path.join('.') || 'body'}: ${issue?.message}`);
  }
  const alerts = parsed.data.alerts.filter(({ labels }) => labels['alertname'] !== watchdogName);
  const watchdog = alerts.length < parsed.data.alerts.length;
  return { kind: 'payload', payload: { ...parsed.data, alerts }, watchdog };
}

function refuse(problem: string): ParsedWebhook {
  const sentence = `Not a webhook payload of Alertmanager, version 4 (${problem}). Use this URL in a webhook_config.`;
  return { kind: 'refused', sentence };
}
