/**
 * Any HTTP endpoint: the message and its alerts as JSON, or the JSON of a template, with an `Idempotency-Key` that is the same for
 * every attempt.
 */
import { z } from 'zod';
import { webUrl } from '../../../../src/kit/settings.ts';
import { headings, writeWhole } from '../../message/markdown.ts';
import type { Message } from '../../message/message.ts';
import { firstLine, parseTemplate, template } from '../../message/template.ts';
import type { Template } from '../../message/template.ts';
import { defineKind } from '../channel.ts';
import type { Delivery } from '../channel.ts';
import { postJson } from '../post.ts';
import type { Answer } from '../post.ts';
import { table } from './table.ts';

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
    const render = settings.template === undefined ? undefined : parseTemplate(settings.template);
    return {
      name,
      hasTemplate: true,
      show(message, given) {
        const facts = describe(message, exampleId);
        if (given !== undefined) return toJson(JSON.parse(parseTemplate(given)(facts.all)));
        return toJson(writeBody(render, facts).body);
      },
      async deliver(message, { id, signal }) {
        const { body, notice } = writeBody(render, describe(message, id));
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
        return delivery.kind === 'delivered' && notice
          ? { ...delivery, notice, isTemplateFailure: true }
          : delivery;
      },
    };
  },
});

const exampleId = 'llamascope-0';

interface Facts {
  /** The body without a template. */
  plain: object;
  /** The variables of a template. */
  all: object;
}

function describe(message: Message, id: string): Facts {
  const text = writeWhole(message, headings);
  const { title, isFiring, severity, notes, alerts } = message;
  const status = isFiring ? 'firing' : 'resolved';
  const plain = { id, status, severity, title, text, notes, alerts };
  return { plain, all: { ...plain, ...message.facts(), title } };
}

/** The built-in body if there is no template, or if it fails: a wrong template must not silence the channel. */
function writeBody(
  render: Template | undefined,
  { plain, all }: Facts,
): { body: unknown; notice?: string } {
  if (render === undefined) return { body: plain };
  try {
    return { body: JSON.parse(render(all)) as unknown };
  } catch (error) {
    const kind = error instanceof SyntaxError ? 'it gave no JSON' : firstLine(error);
    return { body: plain, notice: `the template failed (${kind}); sent without it` };
  }
}

/** Fields that hold the secret of a service, such as `token` and `device_key`. */
const secretField = /token|key|secret|password|auth/i;

const toJson = (body: unknown): string =>
  JSON.stringify(
    body,
    (name, value: unknown) => (secretField.test(name) && typeof value === 'string' ? '***' : value),
    2,
  );

function judge({ status, json }: Answer, expect: Record<string, unknown>): Delivery {
  const detail = `HTTP ${status}`;
  const retry = { kind: 'retry', afterSeconds: 0, isRefusal: true } as const;
  const isTemporary = table.rows.find(({ code }) => code === status)?.meaning === 'their_fault';
  if (isTemporary) return { ...retry, reason: 'server_error', detail };
  if (status >= 300) return { kind: 'dead', reason: 'refused', detail };
  const wrong = Object.keys(expect).find((field) => json?.[field] !== expect[field]);
  if (wrong === undefined) return { kind: 'delivered', detail };
  const sentence = `${detail}, but ${wrong} is not ${String(expect[wrong])}`;
  return { ...retry, reason: 'server_error', detail: sentence };
}
