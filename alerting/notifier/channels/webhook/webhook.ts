/** Any HTTP endpoint: the message and its alerts as JSON, or the JSON of a template, with an `Idempotency-Key` that is the same for every attempt. */
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { headings, writeParts } from '../../message/markdown.ts';
import { parseTemplate } from '../../message/template.ts';
import type { Template } from '../../message/template.ts';
import { defineKind } from '../channel.ts';
import type { Delivery } from '../channel.ts';
import { postJson } from '../post.ts';
import type { Answer } from '../post.ts';

/** Client errors that pass: a receiver that is being deployed answers 404, a busy one 409, 421 or 423. */
const temporary = new Set([404, 409, 421, 423]);

const template = z.string().transform((text, context) => {
  try {
    return parseTemplate(text);
  } catch (error) {
    context.addIssue(`expected a Liquid template: ${(error as Error).message}`);
    return z.NEVER;
  }
});

export const webhook = defineKind({
  kind: 'webhook',
  environment: {},
  settings: z.strictObject({
    url: webUrl,
    /** Sent as a bearer token. */
    token: z.string().optional(),
    method: z.enum(['POST', 'PUT']).default('POST'),
    /** Their values may be secrets. */
    headers: z.record(z.string(), z.string()).default({}),
    /** The body in Liquid, which gives JSON. Without it: all facts as JSON. */
    template: template.optional(),
    /** Fields that an accepting answer has, for a receiver that reports errors as HTTP 200: `{ code: 200 }`. */
    expect: z.record(z.string(), z.union([z.string(), z.number(), z.boolean()])).default({}),
  }),
  create(name, settings, { timeoutSeconds = 10 } = {}) {
    const { url, token, method, expect } = settings;
    return {
      name,
      async deliver(message, { id, signal }) {
        const [text] = writeParts(message, { style: headings, maxBytes: Number.POSITIVE_INFINITY });
        const { title, isFiring, severity, notes, alerts } = message;
        const status = isFiring ? 'firing' : 'resolved';
        const facts = { id, status, severity, title, text, notes, alerts };
        const { body, notice } = writeBody(settings.template, facts);
        const result = await postJson({
          url,
          method,
          body,
          headers: {
            'idempotency-key': id,
            ...(token && { authorization: `Bearer ${token}` }),
            ...settings.headers,
          },
          timeoutSeconds,
          signal,
        });
        if (result.kind !== 'answer') return result;
        const delivery = judge(result, expect);
        return delivery.kind === 'delivered' && notice ? { ...delivery, notice } : delivery;
      },
    };
  },
});

/** The facts as JSON if there is no template, or if it fails: a wrong template must not silence the channel. */
function writeBody(
  render: Template | undefined,
  facts: object,
): { body: unknown; notice?: string } {
  if (render === undefined) return { body: facts };
  try {
    return { body: JSON.parse(render(facts)) as unknown };
  } catch (error) {
    const kind = error instanceof SyntaxError ? 'it gave no JSON' : 'it cannot be rendered';
    return { body: facts, notice: `the template failed (${kind}); sent without it` };
  }
}

function judge({ status, json }: Answer, expect: Record<string, unknown>): Delivery {
  const detail = `HTTP ${status}`;
  const retry = { kind: 'retry', afterSeconds: 0, isRefusal: true } as const;
  if (temporary.has(status)) return { ...retry, reason: 'server_error', detail };
  if (status >= 300) return { kind: 'dead', reason: 'refused', detail };
  const wrong = Object.keys(expect).find((field) => json?.[field] !== expect[field]);
  if (wrong === undefined) return { kind: 'delivered', detail };
  const sentence = `${detail}, but ${wrong} is not ${String(expect[wrong])}`;
  return { ...retry, reason: 'server_error', detail: sentence };
}
