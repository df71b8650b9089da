/** Parts of the notifier for its unit tests: messages, calls of a channel, an outbox on disk, and a clock that is never waited for. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../alerting/notifier/clock.ts';
import type { Call } from '../../../alerting/notifier/channels/channel.ts';
import { renderMessage } from '../../../alerting/notifier/message/message.ts';
import type { Message, MessageOptions } from '../../../alerting/notifier/message/message.ts';
import { openOutbox } from '../../../alerting/notifier/outbox/outbox.ts';
import type { Outbox, OutboxOptions } from '../../../alerting/notifier/outbox/outbox.ts';
import { createAlert, createWebhook } from './alertmanager-webhook.ts';
import type { WebhookAlert } from './alertmanager-webhook.ts';

export const english: MessageOptions = { locale: 'en', timeZone: 'UTC' };
export const chinese: MessageOptions = { locale: 'zh-CN', timeZone: 'Asia/Shanghai' };

export function createMessage(alerts = [createAlert()], options = english): Message {
  return renderMessage([createWebhook(alerts)], options);
}

/** `count` alerts, each with an instance of its own: `host-0`, `host-1` and so on. */
export function createAlerts(count: number, alert: Partial<WebhookAlert> = {}): WebhookAlert[] {
  return Array.from({ length: count }, (_, index) =>
    createAlert({
      ...alert,
      labels: { alertname: 'HighErrorRate', severity: 'critical', instance: `host-${index}` },
      fingerprint: `c0ffee-${index}`,
    }),
  );
}

export function createCall(call: Partial<Call> = {}): Call {
  return { id: 'llamascope-1', progress: null, signal: new AbortController().signal, ...call };
}

export function createOutbox(options: Partial<OutboxOptions> = {}): Outbox {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-outbox-')), 'notifier.db');
  return openOutbox({ path, ...options });
}

/** One alert of this name, owed to the channel `robot`. */
export function addNotification(
  outbox: Outbox,
  alertname: string,
  { now = virtualStart, groupKey = alertname }: { now?: number; groupKey?: string } = {},
): void {
  const alert = createAlert({ labels: { alertname }, fingerprint: alertname });
  const payload = createWebhook([alert], groupKey);
  const recipients = [{ channel: 'robot', alerts: null }];
  outbox.accept({ route: 'default', payload, recipients }, now);
}

export const virtualStart = Date.UTC(2026, 3, 26);

/** Time passes only while somebody sleeps, and then at once. */
export function createVirtualClock(): Clock {
  let now = virtualStart;
  return {
    now: () => now,
    async sleep(millis) {
      await setImmediate();
      now += millis;
    },
  };
}
