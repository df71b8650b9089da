/**
 * The facts of one answer in the forms of OpenAI's and Anthropic's APIs, from its events: model, parts, `usage`, llama-server's `timings`,
 * how it ended. Used by `observe-answer.ts`.
 */
import type { Generation } from '../../otel/generation/inference.ts';
import type { Usage } from '../../otel/generation/generation-state.ts';
import type { FinalReason } from '../api/request-context.ts';
import { broken, done } from './answer-reader.ts';

export type Json = Readonly<Record<string, unknown>>;

export interface AnswerFacts {
  model?: string | undefined;
  id?: string | undefined;
  finish?: FinalReason | undefined;
  /** A mark of the end has come: `[DONE]`, or the last event of the other APIs. */
  isDone: boolean;
  /** An event, or the body, is no JSON. */
  isBroken: boolean;
  /** The body of an error, which is then the end. */
  error?: unknown;
  /** The latest count of each kind of token, by the names of the API. */
  usage: Json;
  timings: Json;
}

export const noFacts = (): AnswerFacts => ({
  isDone: false,
  isBroken: false,
  usage: {},
  timings: {},
});

/** Adds what an event tells. @returns whether it has a part of the answer. */
export function takeEvent(facts: AnswerFacts, event: unknown): boolean {
  if (event === done) facts.isDone = true;
  if (event === broken) facts.isBroken = true;
  if (!isObject(event)) return false;
  // Events of Responses have a `response`, the first event of Messages has a `message`.
  const about = [event['response'], event['message']].find(isObject) ?? event;
  facts.model ??= textOf(about['model']);
  facts.id ??= textOf(about['id']);
  facts.finish = finishOf(event, about) ?? facts.finish;
  facts.isDone ||= lastTypes.has(event['type']);
  facts.error ??= event['error'] ?? about['error'] ?? (isError(event) ? event : undefined);
  facts.usage = Object.assign({}, facts.usage, about['usage'], event['usage']);
  facts.timings = Object.assign({}, facts.timings, event['timings']);
  return hasPart(event);
}

const lastTypes = new Set<unknown>(['message_stop', 'response.completed', 'response.incomplete']);

/** An error without a member of that name, as of vLLM and of Responses. */
function isError({ object, type }: Json): boolean {
  return object === 'error' || type === 'error';
}

function finishOf(event: Json, about: Json): FinalReason | undefined {
  const reason = [
    at(event, 'choices', 0, 'finish_reason'),
    at(event, 'delta', 'stop_reason'),
    about['stop_reason'],
    at(about, 'incomplete_details', 'reason'),
    about['status'] === 'completed' ? endOfResponse(about) : undefined,
  ].find((each) => typeof each === 'string');
  if (reason === undefined) return undefined;
  // `length`, `max_tokens`, `max_output_tokens`; `tool_calls`, `function_call`, `tool_use`
  if (/length|max/.test(reason)) return 'length';
  return /tool|function/.test(reason) ? 'tool_calls' : 'stop';
}

/** A response that ends with calls has no reason of its own; a body holds its first item only. */
function endOfResponse({ output }: Json): FinalReason {
  const types = Array.isArray(output) ? output.map((item) => at(item, 'type')) : [];
  return types.includes('function_call') ? 'tool_calls' : 'stop';
}

/** Members of a delta that hold a part of the answer; reasoning is part of it. */
const partNames =
  'content reasoning_content reasoning refusal tool_calls text thinking partial_json'.split(' ');

function hasPart({ delta, choices }: Json): boolean {
  const deltas = Array.isArray(choices) ? choices.map((each) => at(each, 'delta') ?? each) : [];
  return [delta, ...deltas].some(
    (each) => isFilled(each) || partNames.some((name) => isFilled(at(each, name))),
  );
}

function isFilled(value: unknown): boolean {
  return (typeof value === 'string' || Array.isArray(value)) && value.length > 0;
}

/** Undefined unless the server counted both prompt and answer. */
export function countsOf({ usage, timings }: AnswerFacts): Usage | undefined {
  const inputTokens = count(
    usage['prompt_tokens'],
    // Anthropic counts tokens that it reads from its cache or writes to it apart from the others.
    sum(
      sum(usage['input_tokens'], usage['cache_read_input_tokens'] ?? 0),
      usage['cache_creation_input_tokens'] ?? 0,
    ),
    sum(timings['prompt_n'], timings['cache_n']),
  );
  const outputTokens = count(
    usage['completion_tokens'],
    usage['output_tokens'],
    timings['predicted_n'],
  );
  if (inputTokens === undefined || outputTokens === undefined) return undefined;
  const cached = count(
    at(usage, 'prompt_tokens_details', 'cached_tokens'),
    at(usage, 'input_tokens_details', 'cached_tokens'),
    usage['cache_read_input_tokens'],
    timings['cache_n'],
  );
  return { inputTokens, cachedTokens: Math.min(cached ?? 0, inputTokens), outputTokens };
}

/** For embeddings, which have no answer. */
export function inputTokensOf({ usage }: AnswerFacts): number | undefined {
  return count(usage['prompt_tokens'], usage['total_tokens']);
}

/**
 * Tells the telemetry what the server counted and timed. A streamed answer has its own times; one that came whole has those of `timings`,
 * counted back from its end.
 */
export function reportCounts(
  generation: Generation,
  facts: AnswerFacts,
  times: { begunAt: number; firstPartAt: number | undefined; endedAt: number },
): void {
  const counts = countsOf(facts);
  if (counts === undefined) return;
  const { begunAt, firstPartAt, endedAt } = times;
  const promptMillis = count(facts.timings['prompt_ms']);
  const answerMillis = count(facts.timings['predicted_ms']);
  if (promptMillis === undefined || answerMillis === undefined) {
    generation.usage(counts);
    return;
  }
  const prefilledAt = Math.max(begunAt, firstPartAt ?? endedAt - answerMillis);
  const startedAt = Math.max(begunAt, prefilledAt - promptMillis);
  generation.prefilled({ ...counts, startedAt, endedAt: prefilledAt });
  const isWhole = firstPartAt === undefined && counts.outputTokens > 0;
  const ownTimes = isWhole && { firstTokenAt: prefilledAt, lastTokenAt: endedAt };
  generation.usage({ ...counts, ...ownTimes });
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** A member of a member; undefined where there is none. */
function at(value: unknown, ...path: readonly (string | number)[]): unknown {
  return path.reduce<unknown>((inner, name) => (inner as Json | null | undefined)?.[name], value);
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

/** The first of `values` that is a count. */
function count(...values: readonly unknown[]): number | undefined {
  return values.find((each) => typeof each === 'number' && each >= 0 && Number.isFinite(each)) as
    | number
    | undefined;
}

function sum(a: unknown, b: unknown): number | undefined {
  return typeof a === 'number' && typeof b === 'number' ? a + b : undefined;
}
