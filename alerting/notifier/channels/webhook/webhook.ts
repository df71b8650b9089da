/** Any HTTP endpoint: the message and its alerts as JSON, with an `Idempotency-Key` that is the same for every attempt. */
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { headings, writeParts } from '../../message/markdown.ts';
import { defineKind } from '../channel.ts';
import { postJson } from '../post.ts';

/** Client errors that pass: a receiver that is being deployed answers 404, a busy one 409, 421 or 423. */
const temporary = new Set([404, 409, 421, 423]);

export const webhook = defineKind({
  kind: 'webhook',
  environment: {},
  settings: z.strictObject({
    url: webUrl,
    /** Sent as a bearer token. */
    token: z.string().optional(),
  }),
  create: (name, { url, token }, { timeoutSeconds = 10 } = {}) => ({
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
      if (temporary.has(result.status)) {
        return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail, isRefusal: true };
      }
      return { kind: 'dead', reason: 'refused', detail };
    },
  }),
});
