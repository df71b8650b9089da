/** Any HTTP endpoint: the message and its alerts as JSON, with an `Idempotency-Key` that is the same for every attempt. */
import { z } from 'zod';
import { headings, writeParts } from '../message/markdown.ts';
import { defineKind, webUrl } from './channel.ts';
import type { Channel } from './channel.ts';
import { postJson } from './post.ts';

export interface WebhookOptions {
  name?: string;
  url: URL;
  /** Sent as a bearer token. */
  token?: string | undefined;
  timeoutSeconds?: number;
}

export function createWebhook({
  name = 'webhook',
  url,
  token,
  timeoutSeconds = 10,
}: WebhookOptions): Channel {
  return {
    name,
    async deliver(message, { id, signal }) {
      const [text] = writeParts(message, { style: headings, maxBytes: Number.POSITIVE_INFINITY });
      const { title, isFiring, notes, alerts } = message;
      const result = await postJson({
        url,
        body: { id, status: isFiring ? 'firing' : 'resolved', title, text, notes, alerts },
        headers: { 'idempotency-key': id, ...(token && { authorization: `Bearer ${token}` }) },
        timeoutSeconds,
        signal,
      });
      if (result.kind !== 'answer') return result;
      const detail = `HTTP ${result.status}`;
      if (result.status < 300) return { kind: 'delivered', detail };
      return { kind: 'dead', reason: 'refused', detail };
    },
  };
}

export const webhook = defineKind({
  kind: 'webhook',
  settings: z.strictObject({ url: webUrl, token: z.string().optional() }),
  environment: {},
  create: (name, options) => createWebhook({ name, ...options }),
});
