/**
 * Reads a request body: JSON, checked by a schema, told in one sentence when it is wrong. Every POST route uses it.
 */
import type { Context } from 'hono';
import type { z } from 'zod';
import { ChatError } from '../errors.ts';

/** Far above any prompt that fits a small model's context, far below what tokenising would stall on. */
export const maxBodyBytes = 1024 * 1024;
/** Deeper than any schema or argument that a person writes, shallower than what overflows a recursive reader. */
const maxDepth = 64;
const maxNotedFields = 100;

/** @throws ChatError `bad_request` that names the field, what was expected and what came; never the text itself. */
export type ReadBody = <T extends z.ZodObject>(c: Context, schema: T) => Promise<z.infer<T>>;

type Issue = z.core.$ZodIssue;

export function createBodyReader(log: { info(facts: object, message: string): void }): ReadBody {
  const noted = new Set<string>();
  return async function readBody(c, schema) {
    const body = parseJson(await readText(c));
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw toBadRequest(parsed.error.issues[0]!, body);
    for (const field of Object.keys(body)) {
      if (Object.hasOwn(schema.shape, field) || noted.has(field)) continue;
      // A field's name is the client's text: only what looks like one is logged, and only so many.
      if (noted.size >= maxNotedFields || !/^[a-z_]{1,40}$/i.test(field)) continue;
      noted.add(field);
      log.info({ field, route: c.req.path }, 'an unknown request field is ignored');
    }
    return parsed.data;
  };
}

/** The error for a field that its schema alone cannot judge. */
export function refuseField(param: string, expectation: string): ChatError {
  return new ChatError('bad_request', `${param}: ${expectation}.`, { param });
}

async function readText(c: Context): Promise<string> {
  try {
    return await c.req.text();
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    throw new ChatError('client_gone', 'The client left before its request was whole.', { cause });
  }
}

function parseJson(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ChatError(
      'bad_request',
      `body: expected JSON, got ${text.length} characters that are not. Check quotes and commas.`,
    );
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ChatError('bad_request', `body: expected a JSON object, got ${describe(body)}.`);
  }
  if (isDeeperThan(maxDepth, body)) {
    throw new ChatError('bad_request', `body: expected at most ${maxDepth} levels, got more.`);
  }
  return body as Record<string, unknown>;
}

function isDeeperThan(levels: number, value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (levels === 0) return true;
  return Object.values(value).some((member) => isDeeperThan(levels - 1, member));
}

function toBadRequest(first: Issue, body: unknown): ChatError {
  const { path, message, cameKey } = innermost(first);
  const param = path.join('.');
  const expectation = message
    .replace(/^(Invalid [a-z]+|Too small|Too big): /, '')
    .replace(/, received .*$/s, '');
  const came = cameKey ? 'another' : describe(valueAt(body, path));
  const sentence = `${param === '' ? 'body' : param}: ${expectation}, got ${came}.`;
  return new ChatError('bad_request', sentence, { param });
}

/** Of a union the branch whose type was meant: the one that is wrong further inside. */
function innermost(issue: Issue, above: readonly PropertyKey[] = []): Told {
  const path = [...above, ...issue.path];
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? issue.message;
    return { path: path.slice(0, -1), message, cameKey: true };
  }
  if (issue.code === 'invalid_union') {
    const inside = issue.errors.map((branch) => branch[0]).find((inner) => inner?.path.length);
    if (inside !== undefined) return innermost(inside, path);
  }
  return { path, message: issue.message, cameKey: false };
}

interface Told {
  path: readonly PropertyKey[];
  message: string;
  /** The key itself is wrong, and is the client's text. */
  cameKey: boolean;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    body,
  );
}

/** Words of OpenAI's vocabulary, which say more than their length and are nobody's text. */
const words = new Set(
  'audio auto code_interpreter custom developer file file_search function image_url input_audio input_text none output_text refusal required text tool web_search'.split(
    ' ',
  ),
);

/** A value as an error may show it: its kind and size, but no text that a person wrote. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (typeof value === 'string') {
    return words.has(value) ? `"${value}"` : `a string of ${value.length} characters`;
  }
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}
