/**
 * The facts of one answer in the forms of OpenAI's and Anthropic's APIs, from the outlines of its events: model, parts, `usage`, llama-server's
 * `timings`, how it ended. Used by `observe-answer.ts`.
 */
import type { Generation } from '../../otel/generation/inference.ts';
import type { FinalReason } from '../api/request-context.ts';
import { broken, done } from './answer-reader.ts';
import type { Usage } from '../../otel/generation/generation-state.ts';

type Json = Readonly<Record<string, unknown>>;

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
  usage: Record<string, unknown>;
  timings?: Json;
}

export const noFacts = (): AnswerFacts => ({ isDone: false, isBroken: false, usage: {} });

/** Adds what an event tells. @returns whether it has a part of the answer. */
export function takeEvent(facts: AnswerFacts, event: unknown): boolean {
  if (event === done) facts.isDone = true;
  if (event === broken) facts.isBroken = true;
  if (!isObject(event)) return false;
  // Events of Responses have a `response`, the first event of Messages has a `message`.
  const outer = isObject(event['response']) ? event['response'] : event;
  const about = isObject(event['message']) ? event['message'] : outer;
  facts.model ??= textOf(about['model']);
  facts.id ??= textOf(about['id']);
  facts.finish = finishOf(event, about) ?? facts.finish;
  if (typeof event['type'] === 'string' && lastTypes.has(event['type'])) facts.isDone = true;
  const error = event['error'] ?? outer['error'] ?? (isError(event) ? event : null);
  if (error !== null) facts.error ??= error;
  for (const each of [about['usage'], event['usage']]) {
    if (isObject(each)) Object.assign(facts.usage, flatten(each));
  }
  if (isObject(event['timings'])) facts.timings = event['timings'];
  return hasPart(event);
}

/** An error without a member of that name, as of vLLM and of Responses. */
function isError({ object, type }: Json): boolean {
  return object === 'error' || type === 'error';
}

const lastTypes = new Set(['message_stop', 'response.completed', 'response.incomplete']);

const finishes: Readonly<Record<string, FinalReason>> = {
  length: 'length',
  max_tokens: 'length',
  max_output_tokens: 'length',
  tool_calls: 'tool_calls',
  function_call: 'tool_calls',
  tool_use: 'tool_calls',
};

function finishOf(event: Json, about: Json): FinalReason | undefined {
  const [choice] = listOf(event['choices']);
  const delta = isObject(event['delta']) ? event['delta'] : {};
  const incomplete = isObject(about['incomplete_details']) ? about['incomplete_details'] : {};
  const status = about['status'] === 'completed' ? 'stop' : undefined;
  const reason = [
    choice?.['finish_reason'],
    delta['stop_reason'],
    about['stop_reason'],
    incomplete['reason'],
    status,
  ].find((each) => typeof each === 'string');
  return reason === undefined ? undefined : (finishes[reason] ?? 'stop');
}

/** Members of a delta that hold a part of the answer; reasoning is part of it. */
const partNames = ['content', 'reasoning_content', 'reasoning', 'refusal', 'tool_calls', 'text'];
const blockNames = ['text', 'thinking', 'partial_json'];

function hasPart(event: Json): boolean {
  const delta = event['delta'];
  if (typeof delta === 'string') return delta !== '';
  if (isObject(delta)) return blockNames.some((name) => isFilled(delta[name]));
  return listOf(event['choices']).some((choice) => {
    const part = isObject(choice['delta']) ? choice['delta'] : choice;
    return partNames.some((name) => isFilled(part[name]));
  });
}

function isFilled(value: unknown): boolean {
  return (typeof value === 'string' || Array.isArray(value)) && value.length > 0;
}

function flatten(usage: Json): Json {
  const details = usage['prompt_tokens_details'] ?? usage['input_tokens_details'];
  const cached = isObject(details) ? details['cached_tokens'] : undefined;
  return cached === undefined ? usage : { ...usage, cached };
}

/** Undefined unless the server counted both prompt and answer. */
export function countsOf({ usage, timings = {} }: AnswerFacts): Usage | undefined {
  const evaluated = countOf(timings['prompt_n']);
  const cachedByServer = countOf(timings['cache_n']);
  const input =
    countOf(usage['prompt_tokens']) ??
    plus(countOf(usage['input_tokens']), countOf(usage['cache_read_input_tokens']) ?? 0) ??
    (cachedByServer === undefined ? undefined : plus(evaluated, cachedByServer));
  const output =
    countOf(usage['completion_tokens']) ??
    countOf(usage['output_tokens']) ??
    countOf(timings['predicted_n']);
  if (input === undefined || output === undefined) return undefined;
  const cached = countOf(usage['cached']) ?? countOf(usage['cache_read_input_tokens']);
  const cachedTokens = Math.min(cached ?? cachedByServer ?? 0, input);
  return { inputTokens: input, cachedTokens, outputTokens: output };
}

/** For embeddings, which have no answer. */
export function inputTokensOf({ usage }: AnswerFacts): number | undefined {
  return countOf(usage['prompt_tokens']) ?? countOf(usage['total_tokens']);
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
  const promptMillis = countOf(facts.timings?.['prompt_ms']);
  const answerMillis = countOf(facts.timings?.['predicted_ms']);
  if (promptMillis === undefined || answerMillis === undefined) {
    generation.usage(counts);
    return;
  }
  const prefilledAt = Math.max(begunAt, firstPartAt ?? endedAt - answerMillis);
  const { inputTokens, cachedTokens } = counts;
  const startedAt = Math.max(begunAt, prefilledAt - promptMillis);
  generation.prefilled({ startedAt, endedAt: prefilledAt, inputTokens, cachedTokens });
  const whole = firstPartAt === undefined && counts.outputTokens > 0;
  generation.usage({
    ...counts,
    ...(whole && { firstTokenAt: prefilledAt, lastTokenAt: endedAt }),
  });
}

export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

function listOf(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : [];
}

function textOf(value: unknown): string | undefined {
  return typeof value === 'string' && value !== '' ? value : undefined;
}

function countOf(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) && value >= 0 ? value : undefined;
}

function plus(a: number | undefined, b: number): number | undefined {
  return a === undefined ? undefined : a + b;
}
