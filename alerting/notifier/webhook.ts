/** Alertmanager's webhook payload, version 4: what is checked of it, and the key under which it is one message. */
import { createHash } from 'node:crypto';
import { z } from 'zod';

const Labels = z.record(z.string(), z.string());

const Alert = z.object({
  status: z.enum(['firing', 'resolved']),
  labels: Labels,
  annotations: Labels.default({}),
  startsAt: z.iso.datetime({ offset: true }),
  // Year 0001 while it fires: never shown.
  endsAt: z.string().default(''),
  generatorURL: z.string().default(''),
  fingerprint: z.string(),
});

// https://prometheus.io/docs/alerting/latest/configuration/#webhook_config
export const Webhook = z.object({
  version: z.literal('4'),
  groupKey: z.string(),
  status: z.enum(['firing', 'resolved']),
  alerts: z.array(Alert).min(1),
  truncatedAlerts: z.number().default(0),
});

export type Webhook = z.infer<typeof Webhook>;
export type Alert = z.infer<typeof Alert>;

/** The same alerts in the same state have the same key, however often and in which order they are sent. */
export function idempotencyKey(webhook: Webhook): string {
  const alerts = webhook.alerts
    .map(({ fingerprint, status, startsAt }) => [fingerprint, status, startsAt].join(' '))
    .toSorted();
  return createHash('sha256')
    .update([webhook.groupKey, ...alerts].join('\n'))
    .digest('hex');
}
