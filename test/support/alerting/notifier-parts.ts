/** Parts of the notifier for its unit tests: messages, channels, an outbox on disk, and a virtual clock. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setImmediate } from 'node:timers/promises';
import type { Clock } from '../../../alerting/notifier/clock.ts';
import type {
  Call,
  CallOptions,
  Channel,
  ChannelKind,
  Delivery,
} from '../../../alerting/notifier/channels/channel.ts';
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

/** `count` alerts with the instances `host-0`, `host-1` and so on. */
export function createAlerts(count: number, alert: Partial<WebhookAlert> = {}): WebhookAlert[] {
  return Array.from({ length: count }, (_, index) =>
    createAlert({
      ...alert,
      labels: { alertname: 'HighErrorRate', severity: 'critical', instance: `host-${index}` },
      fingerprint: `c0ffee-${index}`,
    }),
  );
}

/** The channel `robot` of this kind, with settings as in NOTIFIER_CONFIG. */
export function createChannel(
  kind: ChannelKind,
  settings: object,
  options: CallOptions = {},
): Channel {
  return kind.create('robot', kind.settings.parse(settings), options);
}

/** Delivers every part of the message. */
export async function deliverAll(channel: Channel, message: Message): Promise<Delivery> {
  let delivery = await channel.deliver(message, createCall());
  while (delivery.kind === 'partial') {
    delivery = await channel.deliver(message, createCall({ progress: delivery.progress }));
  }
  return delivery;
}

export function createCall(call: Partial<Call> = {}): Call {
  return { id: 'llamascope-1', progress: null, signal: new AbortController().signal, ...call };
}

export function createOutbox(options: Partial<OutboxOptions> = {}): Outbox {
  const path = join(mkdtempSync(join(tmpdir(), 'notifier-outbox-')), 'notifier.db');
  return openOutbox({ path, ...options });
}

/** Stores one alert of this name for the channel `robot`. */
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

/** A virtual clock: `sleep` advances the time and resolves at once. */
export function createVirtualClock(): Clock {
  let now = virtualStart;
  return {
    now: () => now,
    elapsed: () => now,
    async sleep(millis) {
      await setImmediate();
      now += millis;
    },
  };
}
