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
import { bareCallsOf, callOpening, type BareCalls } from '../../bare-calls.ts';
import { baseRule } from './base-rules.ts';
import { formatLanguage, missingFormats } from './formats.ts';
import { createRules, GrammarTooLargeError, type Part, type Rules, type Sequence } from './gbnf.ts';
import { writeSchema } from './json-schema.ts';
import { describeCalls, writeCalls } from './tool-grammar.ts';
import { TooMuchWorkError, withLimitedWork } from './work.ts';

const cachedGrammars = 32;

/** Enforces the format of one answer. */
export interface Guard {
  /** Undefined as long as the answer is free text. */
  state(): LlamaGrammarEvaluationState | undefined;
  accept(token: number): void;
}

/** Creates the guard of one answer. `dropped`: keywords that it does not enforce, for the whole format only. */
export type GuardFactory = (() => Guard) & { dropped?: readonly string[] };

interface Compiler {
  readonly llama: Llama;
  readonly model: LlamaModel;
}

export function createGrammars(llama: Llama, model: LlamaModel) {
  const compiler: Compiler = { llama, model };
  /** Most recently used last. */
  const cache = new Map<string, GuardFactory>();
  return {
    /**
     * Sampling then takes 1 to 4 ms more per token with 152,000 tokens, and 12 ms where the grammar forbids the token that the model
     * prefers: only then is it applied to every token.
     * Each slice takes at most 0.3 s. @throws ChatError `bad_request` that names the keyword of a schema that cannot be enforced, or
     * the limit that it exceeds.
     */
    *prepare(format: AnswerFormat): Generator<void, GuardFactory, void> {
      const key = JSON.stringify(format);
      for (const missing of missingFormats(key)) {
        formatLanguage(missing);
        yield;
      }
      const factory = cache.get(key) ?? compileFormat(compiler, format);
      cache.delete(key);
      cache.set(key, factory);
      if (cache.size > cachedGrammars) cache.delete(cache.keys().next().value!);
      return factory;
    },
  };
}

function compileFormat(compiler: Compiler, format: AnswerFormat): GuardFactory {
  const param = format.kind === 'tool_calls' ? 'tools' : 'response_format';
  try {
    return withLimitedWork(() => writeFormat(compiler, format)).result;
  } catch (error) {
    if (error instanceof ChatError) throw error;
    throw new ChatError('bad_request', `${param}: ${sentenceOf(error)}`, { param, cause: error });
  }
}

function writeFormat(compiler: Compiler, format: AnswerFormat): GuardFactory {
  const rules = createRules();
  const factory =
    format.kind === 'tool_calls'
      ? compileCalls(compiler, rules, format)
      : compile(compiler, rules, [[writeJson(rules, format)]]);
  return Object.assign(factory, { dropped: [...rules.dropped] });
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

function compileCalls(
  compiler: Compiler,
  rules: Rules,
  format: AnswerFormat & { kind: 'tool_calls' },
): GuardFactory {
  if (format.tools.length === 0) {
    const message = 'tools: expected at least one, got none';
    throw new ChatError('bad_request', message, { param: 'tools' });
  }
  const described = describeCalls(rules, format.tools);
  const factories = new Map<string, GuardFactory | undefined>();
  /** The tools are compiled once; a further text that begins the calls takes llama.cpp's part only. */
  const begin = (before: string): GuardFactory | undefined => {
    if (factories.has(before)) return factories.get(before);
    const calls = writeCalls(rules, described, { parallel: format.parallel, before });
    const factory = calls === undefined ? undefined : compile(compiler, rules, [calls]);
    factories.set(before, factory);
    return factory;
  };
  if (format.choice === 'required') return begin('')!;
  if (format.otherwise !== undefined) {
    const calls = writeCalls(rules, described, { parallel: format.parallel, before: '' })!;
    return compile(compiler, rules, [calls, [writeJson(rules, format.otherwise)]]);
  }
  // Compiled now, so that a schema without a grammar is refused before generation.
  begin(callOpening);
  return () => createLazyGuard(compiler.model, (before) => begin(before)?.(), bareCallsOf(format));
}

function compile(
  { llama, model }: Compiler,
  rules: Rules,
  alternatives: readonly Sequence[],
): GuardFactory {
  rules.define('root', alternatives);
  const grammar = new LlamaGrammar(llama, { grammar: rules.write('root')! });
  return () => {
    const state = new LlamaGrammarEvaluationState({ model, grammar });
    // llama.cpp advances the state itself.
    return { state: () => state, accept: () => {} };
  };
}

/** The answer is free text until it opens a call. The token that ends the opening may contain more text of the call. */
function createLazyGuard(
  model: LlamaModel,
  begin: (before: string) => Guard | undefined,
  bareCalls: BareCalls | undefined,
): Guard {
  let guard: Guard | undefined;
  let tail = '';
  return {
    state: () => guard?.state(),
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
