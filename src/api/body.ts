/** Reads a JSON request body and checks it against a schema. Used by every POST route. */
import type { Context } from 'hono';
import type { z } from 'zod';
import { ChatError } from '../errors.ts';

/** A larger body would stall the tokenizer. A prompt that fills the context of a small model is much smaller. */
export const maxBodyBytes = 1024 * 1024;
/**
 * Limits of JSON, which bound the work that it causes before the work begins. Real requests stay far below. A check of 50,000 values
 * takes at most 80 ms (measured). `levels` also protects recursive functions from a stack overflow.
 */
const jsonLimits = { levels: 64, values: 50_000, members: 2000 } as const;
const maxLoggedFields = 100;

/** @throws ChatError `bad_request` with the field, the expected and the given value, but no text of the client. */
export type ReadBody = <T extends z.ZodObject>(c: Context, schema: T) => Promise<z.infer<T>>;

type Issue = z.core.$ZodIssue;

export function createBodyReader(log: { info(facts: object, message: string): void }): ReadBody {
  const logged = new Set<string>();
  return async function readBody(c, schema) {
    const body = parseJson(await readText(c));
    const parsed = schema.safeParse(body);
    if (!parsed.success) throw toBadRequest(parsed.error.issues[0]!, body);
    for (const field of Object.keys(body)) {
      if (Object.hasOwn(schema.shape, field) || logged.has(field)) continue;
      // The client chooses the names, so log only a limited number, and only names that look like a field.
      if (logged.size >= maxLoggedFields || !/^[a-z_]{1,40}$/i.test(field)) continue;
      logged.add(field);
      log.info({ field, route: c.req.path }, 'unknown request field ignored');
    }
    return parsed.data;
  };
}

/** An error for a rule that the schema of one field cannot express. `recorded`: the expectation without text of the client. */
export function refuseField(param: string, expectation: string, recorded = expectation): ChatError {
  const facts = { param, recorded: `${param}: ${recorded}.` };
  return new ChatError('bad_request', `${param}: ${expectation}.`, facts);
}

async function readText(c: Context): Promise<string> {
  try {
    return await c.req.text();
  } catch (cause) {
    if (cause instanceof ChatError) throw cause;
    throw new ChatError('client_gone', 'The client disconnected while sending its request.', {
      cause,
    });
  }
}

function parseJson(text: string): Record<string, unknown> {
  let body: unknown;
  try {
    body = JSON.parse(text);
  } catch {
    throw new ChatError(
      'bad_request',
      `body: expected JSON, got ${text.length} characters of something else. Check quotes and commas.`,
    );
  }
  if (typeof body !== 'object' || body === null || Array.isArray(body)) {
    throw new ChatError('bad_request', `body: expected a JSON object, got ${describe(body)}.`);
  }
  const limit = createJsonCheck()(body);
  if (limit !== undefined) throw new ChatError('bad_request', `body: ${limit}.`);
  return body as Record<string, unknown>;
}

/**
 * @returns a function that describes the limit of JSON that a value exceeds; undefined if none. The values of all calls are counted
 * together.
 */
export function createJsonCheck(): (value: unknown) => string | undefined {
  let values = 0;
  function check(value: unknown, levels: number): string | undefined {
    values += 1;
    if (values > jsonLimits.values) return `expected at most ${jsonLimits.values} JSON values`;
    if (typeof value !== 'object' || value === null) return undefined;
    if (levels === 0) return `expected at most ${jsonLimits.levels} nested levels`;
    const members: unknown[] = Array.isArray(value) ? value : Object.values(value);
    if (!Array.isArray(value) && members.length > jsonLimits.members) {
      return `expected at most ${jsonLimits.members} fields in one object`;
    }
    for (const member of members) {
      const limit = check(member, levels - 1);
      if (limit !== undefined) return limit;
    }
    return undefined;
  }
  return (value) => check(value, jsonLimits.levels);
}

function toBadRequest(issue: Issue, body: unknown): ChatError {
  const { path, message, isKey } = innermost(issue);
  const param = path.join('.');
  const expectation = message
    .replace(/^(Invalid [a-z]+|Too small|Too big): /, '')
    .replace(/, received .*$/s, '');
  const value = valueAt(body, path);
  const sentence = isKey
    ? `${expectation}, got another key`
    : value === undefined
      ? `required; ${expectation}`
      : `${expectation}, got ${describe(value)}`;
  return new ChatError('bad_request', `${param === '' ? 'body' : param}: ${sentence}.`, { param });
}

/** Reports the deepest issue. For a union, reports the branch that matched deepest: most likely the client meant that branch. */
function innermost(issue: Issue, parent: readonly PropertyKey[] = []): Problem {
  const path = [...parent, ...issue.path];
  if (issue.code === 'invalid_key') {
    const message = issue.issues[0]?.message ?? issue.message;
    return { path: path.slice(0, -1), message, isKey: true };
  }
  if (issue.code === 'invalid_union') {
    const inner = issue.errors.map((branch) => branch[0]).find((first) => first?.path.length);
    if (inner !== undefined) return innermost(inner, path);
  }
  return { path, message: issue.message, isKey: false };
}

interface Problem {
  path: readonly PropertyKey[];
  message: string;
  /** The key is invalid, not its value. Keys are not shown, because a client chooses them. */
  isKey: boolean;
}

function valueAt(body: unknown, path: readonly PropertyKey[]): unknown {
  return path.reduce<unknown>(
    (value, key) => (value as Record<PropertyKey, unknown> | null | undefined)?.[key],
    body,
  );
}

/** Strings that an error may show, because they belong to OpenAI's API and not to a client. */
const knownStrings = new Set(
  'audio auto code_interpreter custom developer file file_search function image_url input_audio input_text none output_text refusal required text tool web_search'.split(
    ' ',
  ),
);

/** Describes a value for an error message: its type and size, but no text of the client. */
export function describe(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null || typeof value === 'number' || typeof value === 'boolean')
    return String(value);
  if (typeof value === 'string') {
    const unit = value.length === 1 ? 'character' : 'characters';
    return knownStrings.has(value) ? `"${value}"` : `a string of ${value.length} ${unit}`;
  }
  return Array.isArray(value) ? `an array of ${value.length}` : 'an object';
}
