/**
 * Compiles answer formats to grammars that llama.cpp enforces while it samples. A grammar is compiled once and has a state of its own
 * in each generation. Used by model.ts.
 */
import {
  LlamaGrammar,
  LlamaGrammarEvaluationState,
  LlamaJsonSchemaGrammar,
  type GbnfJsonObjectSchema,
  type GbnfJsonSchema,
  type Llama,
  type LlamaModel,
  type Token,
} from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { AnswerFormat } from '../../../engine.ts';
import { toGrammarSchema } from './json-schema.ts';
import { callsGrammar, callOpening, type ToolGrammar } from './tool-grammar.ts';

const cachedGrammars = 32;
const anyObject: GbnfJsonSchema = { type: 'object', additionalProperties: true };

/** Enforces the format of one answer. */
export interface Guard {
  /** Undefined as long as the answer is free text. */
  state(): LlamaGrammarEvaluationState | undefined;
  accept(token: number): void;
}

/** Creates the guard of one answer. */
export type GuardFactory = () => Guard;

interface Compiler {
  readonly llama: Llama;
  readonly model: LlamaModel;
  readonly anyObjectText: string;
}

export function createGrammars(llama: Llama, model: LlamaModel) {
  // Translated at the start, so that a node-llama-cpp with different grammars fails at once.
  const compiler: Compiler = { llama, model, anyObjectText: grammarText(llama, anyObject) };
  /** Most recently used last. */
  const cache = new Map<string, GuardFactory>();
  return {
    /**
     * Sampling then takes 1 to 4 ms more per token with 152,000 tokens, and 12 ms where the grammar forbids the token that the model
     * prefers: only then is it applied to every token.
     * @throws ChatError `bad_request` that names the keyword of a schema that cannot be enforced.
     */
    prepare(format: AnswerFormat): GuardFactory {
      const key = JSON.stringify(format);
      const factory = cache.get(key) ?? compileFormat(compiler, format);
      cache.delete(key);
      cache.set(key, factory);
      if (cache.size > cachedGrammars) cache.delete(cache.keys().next().value!);
      return factory;
    },
  };
}

function compileFormat(compiler: Compiler, format: AnswerFormat): GuardFactory {
  try {
    if (format.kind === 'tool_calls') return compileCalls(compiler, format);
    if (format.kind === 'json_object') return compile(compiler, compiler.anyObjectText);
    const { schema, strict } = format;
    const where = { name: 'response_format: json_schema', param: 'response_format' };
    const translated = toGrammarSchema(schema, { strict, ...where });
    return compile(compiler, grammarText(compiler.llama, translated));
  } catch (error) {
    if (error instanceof ChatError) throw error;
    const param = format.kind === 'tool_calls' ? 'tools' : 'response_format';
    throw new ChatError(
      'bad_request',
      `${param}: llama.cpp cannot compile a grammar for this schema. Check that it describes finite JSON.`,
      { param, cause: error },
    );
  }
}

function compileCalls(
  compiler: Compiler,
  format: AnswerFormat & { kind: 'tool_calls' },
): GuardFactory {
  if (format.tools.length === 0) {
    const message = 'tools: expected at least one, got none';
    throw new ChatError('bad_request', message, { param: 'tools' });
  }
  const tools = format.tools.map(({ name, parameters }): ToolGrammar => {
    const where = { name: `tools: parameters of ${name}`, param: 'tools' };
    const schema = toGrammarSchema(parameters, { strict: false, ...where });
    return { name, grammar: grammarText(compiler.llama, schema) };
  });
  const begin = (before: string): GuardFactory | undefined => {
    const text = callsGrammar(tools, { parallel: format.parallel, before });
    return text === undefined ? undefined : compile(compiler, text);
  };
  if (format.choice === 'required') return begin('')!;
  // Compiled now, so that a schema without a grammar is refused before generation.
  const usual = begin(callOpening);
  return () =>
    createLazyGuard(compiler.model, (before) =>
      before === callOpening ? usual?.() : begin(before)?.(),
    );
}

function compile({ llama, model }: Compiler, text: string): GuardFactory {
  const grammar = new LlamaGrammar(llama, { grammar: text });
  return () => {
    const state = new LlamaGrammarEvaluationState({ model, grammar });
    // llama.cpp advances the state itself.
    return { state: () => state, accept: () => {} };
  };
}

function grammarText(llama: Llama, schema: GbnfJsonSchema): string {
  // Not the root rule, which comes first: llama.cpp halves the repetition limit of rules that it has not parsed yet.
  const below = { oneOf: [schema] } as unknown as GbnfJsonObjectSchema;
  // Not `llama.createGrammarForJsonSchema`, which is asynchronous.
  return correctGrammar(new LlamaJsonSchemaGrammar(llama, below).grammar);
}

/** The answer is free text until it opens a call. The token that ends the opening may contain more text of the call. */
function createLazyGuard(model: LlamaModel, begin: (before: string) => Guard | undefined): Guard {
  let guard: Guard | undefined;
  let tail = '';
  return {
    state: () => guard?.state(),
    accept(token) {
      if (guard !== undefined) return;
      tail += model.detokenize([token as Token], true);
      const opening = tail.indexOf(callOpening);
      if (opening !== -1) guard = begin(tail.slice(opening));
      tail = tail.slice(1 - callOpening.length);
    },
  };
}

// node-llama-cpp requires newlines after the answer, for models that do not emit an end token.
const trailing = ' "\\n\\n\\n\\n" [\\n]*';

/**
 * Replacements where node-llama-cpp's grammar allows invalid JSON values: 1e-1 and 2^63 as integers, 1e999, 30 February, escaped
 * surrogates (two count as one character), and code points that are no characters (surrogates, above U+10FFFF). llama.cpp itself
 * accepts overlong UTF-8.
 */
const corrections: readonly [pattern: RegExp | string, replacement: string][] = [
  [String.raw`[^"\\\x7F\x00-\x1F]`, String.raw`[ !#-[\]-~\x80-\uD7FF\uE000-\U0010FFFF]`],
  [
    String.raw`"\\u" [0-9a-fA-F]{4}`,
    String.raw`"\\u" ([0-9a-cA-CefEF] [0-9a-fA-F]{3} | [dD] [0-7] [0-9a-fA-F]{2})`,
  ],
  [/^integer-number-rule ::= .*$/gm, 'integer-number-rule ::= "-"? ("0" | [1-9] [0-9]{0,14})'],
  [
    /^fractional-number-rule ::= .*$/gm,
    'fractional-number-rule ::= "-"? ("0" | [1-9] [0-9]{0,15}) ("." [0-9]{1,16})? ([eE] [-+]? [0-9] [0-9]?)?',
  ],
  [
    '("0" [1-9] | "1" [012]) "-" ("0" [1-9] | [12] [0-9] | "3" [01])',
    '((("0" [1-9] | "1" [012]) "-" ("0" [1-9] | "1" [0-9] | "2" [0-8])) | (("0" [13-9] | "1" [012]) "-" ("29" | "30")) | (("0" [13578] | "1" [02]) "-31"))',
  ],
];

function correctGrammar(grammar: string): string {
  const [root = '', ...rules] = grammar.split('\n');
  if (!root.startsWith('root ::= ') || !root.endsWith(trailing)) {
    throw new Error(
      `Unsupported version of node-llama-cpp: the root rule of its grammar ends with ${root.slice(-40)}, expected ${trailing}`,
    );
  }
  const text = [root.slice(0, -trailing.length), ...rules].join('\n');
  return corrections.reduce(
    (corrected, [pattern, replacement]) => corrected.replaceAll(pattern, replacement),
    text,
  );
}
