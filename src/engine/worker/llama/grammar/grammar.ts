/**
 * Compiles answer formats to grammars that llama.cpp enforces while it samples. A grammar is compiled once and has a state of its own
 * in each generation. Used by model.ts.
 */
import {
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  type Llama,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { AnswerFormat, JsonFormat } from '../../../engine.ts';
import { bareCallsOf, callClosing, callOpening, type BareCalls } from '../../bare-calls.ts';
import { baseRule } from './base-rules.ts';
import { formatLanguage, missingFormats } from './formats.ts';
import { createRules, GrammarTooLargeError, type Part, type Rules, type Sequence } from './gbnf.ts';
import { writeSchema } from './json-schema.ts';
import { describeCall, writeCalls, type DescribedCall } from './tool-grammar.ts';
import { createMeter, TooMuchWorkError, type Meter } from './work.ts';

const cachedGrammars = 32;
const callMarkup = new Set([callOpening, callClosing]);

/** For a grammar that takes as long as one that was counted. */
const unlimited = createMeter({ all: Infinity, slice: Infinity });

/** Enforces the format of one answer. */
export interface Guard {
  /** Undefined as long as the answer is free text. */
  state(): LlamaGrammarEvaluationState | undefined;
  /**
   * Tokens that must not be sampled while there is a state. A grammar takes the name of a control token for text, and the client never
   * sees it.
   */
  readonly bannedTokens: readonly Token[];
  accept(token: number): void;
}

/** Creates the guard of one answer. `dropped`: keywords that it does not enforce, for the whole format only. */
export type GuardFactory = (() => Guard) & { dropped?: readonly string[] };

interface Compiler {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly bannedTokens: readonly Token[];
}

interface Compilation extends Compiler {
  readonly rules: Rules;
  readonly meter: Meter;
}

/** Work between whose parts others run. */
type Slices<T> = Generator<void, T, void>;

export function createGrammars(llama: Llama, model: LlamaModel, controlTokens: readonly Token[]) {
  const compiler = { llama, model, bannedTokens: findBannedTokens(model, controlTokens) };
  /** Most recently used last. */
  const cache = new Map<string, GuardFactory>();
  return {
    /**
     * Sampling then takes 1 to 4 ms more per token with 152,000 tokens, and 12 ms where the grammar forbids the token that the model
     * prefers: only then is it applied to every token.
     * Each slice takes at most 0.2 s. @throws ChatError `bad_request` that names the keyword of a schema that cannot be enforced, or
     * the limit that it exceeds.
     */
    *prepare(format: AnswerFormat): Slices<GuardFactory> {
      const key = JSON.stringify(format);
      for (const missing of missingFormats(key)) {
        formatLanguage(missing);
        yield;
      }
      const factory = cache.get(key) ?? (yield* compileFormat(compiler, format));
      cache.delete(key);
      cache.set(key, factory);
      if (cache.size > cachedGrammars) cache.delete(cache.keys().next().value!);
      return factory;
    },
  };
}

/** All control tokens but those that end an answer, and those that a model uses for the markup of a call. */
function findBannedTokens(model: LlamaModel, controlTokens: readonly Token[]): readonly Token[] {
  return controlTokens.filter(
    (token) => !model.isEogToken(token) && !callMarkup.has(model.detokenize([token], true)),
  );
}

function* compileFormat(compiler: Compiler, format: AnswerFormat): Slices<GuardFactory> {
  const param = format.kind === 'tool_calls' ? 'tools' : 'response_format';
  const compilation = { ...compiler, rules: createRules(), meter: createMeter() };
  try {
    const factory =
      format.kind === 'tool_calls'
        ? yield* compileCalls(compilation, format)
        : yield* compile(compilation, (rules) => [[writeJson(rules, format)]]);
    return Object.assign(factory, { dropped: [...compilation.rules.dropped] });
  } catch (error) {
    if (error instanceof ChatError) throw error;
    throw new ChatError('bad_request', `${param}: ${sentenceOf(error)}`, { param, cause: error });
  }
}

function writeJson(rules: Rules, format: JsonFormat): Part {
  if (format.kind === 'json_object') return baseRule(rules, 'object');
  const { schema, strict } = format;
  const where = { name: 'response_format: json_schema', param: 'response_format' };
  return writeSchema(rules, schema, { strict, ...where }).part;
}

function sentenceOf(error: unknown): string {
  return error instanceof GrammarTooLargeError || error instanceof TooMuchWorkError
    ? `${error.message}.`
    : 'llama.cpp cannot compile a grammar for this schema. Simplify it.';
}

function* compileCalls(
  compilation: Compilation,
  format: AnswerFormat & { kind: 'tool_calls' },
): Slices<GuardFactory> {
  const { tools, parallel, choice, otherwise } = format;
  if (tools.length === 0) {
    const message = 'tools: expected at least one, got none';
    throw new ChatError('bad_request', message, { param: 'tools' });
  }
  const { rules, meter } = compilation;
  const described: DescribedCall[] = [];
  for (const tool of tools) {
    described.push(meter.run(() => describeCall(rules, tool)));
    yield;
  }
  const write = (before: string): Sequence[] | undefined => {
    const calls = writeCalls(rules, described, { parallel, before });
    return calls && [calls];
  };
  if (choice === 'required') return yield* compile(compilation, () => write('')!);
  if (otherwise !== undefined) {
    const json = meter.run(() => writeJson(rules, otherwise));
    yield;
    return yield* compile(compilation, () => [...write('')!, [json]]);
  }
  // Compiled now, so that a schema without a grammar is refused before generation.
  const usual = yield* compile(compilation, () => write(callOpening)!);
  const factories = new Map<string, GuardFactory | undefined>([[callOpening, usual]]);
  /** A further text that begins the calls takes the last part of the work only, within one step of the scheduler. */
  const begin = (before: string): GuardFactory | undefined => {
    if (factories.has(before)) return factories.get(before);
    const calls = write(before);
    const factory = calls && finish(compile({ ...compilation, meter: unlimited }, () => calls));
    factories.set(before, factory);
    return factory;
  };
  return () => createLazyGuard(compilation, (before) => begin(before)?.(), bareCallsOf(format));
}

function finish<T>(slices: Slices<T>): T {
  for (;;) {
    const { done, value } = slices.next();
    if (done === true) return value;
  }
}

function* compile(
  { llama, model, bannedTokens, rules, meter }: Compilation,
  write: (rules: Rules) => readonly Sequence[],
): Slices<GuardFactory> {
  const alternatives = meter.run(() => write(rules));
  yield;
  const text = meter.run(() => {
    rules.define('root', alternatives);
    return rules.write('root')!;
  });
  yield;
  const grammar = new LlamaGrammar(llama, { grammar: text });
  return () => {
    const state = new LlamaGrammarEvaluationState({ model, grammar });
    // llama.cpp advances the state itself.
    return { state: () => state, bannedTokens, accept: () => {} };
  };
}

/** The answer is free text until it opens a call. The token that ends the opening may contain more text of the call. */
function createLazyGuard(
  { model, bannedTokens }: Compiler,
  begin: (before: string) => Guard | undefined,
  bareCalls: BareCalls | undefined,
): Guard {
  let guard: Guard | undefined;
  let tail = '';
  return {
    state: () => guard?.state(),
    bannedTokens,
    accept(token) {
      if (guard !== undefined) return;
      const text = model.detokenize([token as Token], true);
      tail += text;
      const opening = tail.indexOf(callOpening);
      const bare = bareCalls?.push(text).call;
      if (opening !== -1) guard = begin(tail.slice(opening));
      else if (bare !== undefined) guard = begin(bare);
      tail = tail.slice(1 - callOpening.length);
    },
  };
}
