/**
 * Answer formats as grammars that llama.cpp enforces while it samples. Used by model.ts: a grammar is compiled once and
 * has a state of its own in each generation.
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

/** Keeps one answer in its format. */
export interface Guard {
  /** Undefined as long as anything may come. */
  state(): LlamaGrammarEvaluationState | undefined;
  accept(token: number): void;
}

/** Begins an answer. */
export type GuardFactory = () => Guard;

export interface Grammars {
  /**
   * Costs 1 to 4 ms a token on a vocabulary of 152,000, and 12 where the model wants what the grammar forbids: only then is it
   * asked about every token.
   * @throws ChatError `bad_request` that names the keyword of a schema that cannot be enforced.
   */
  prepare(format: AnswerFormat): GuardFactory;
}

export function createGrammars(llama: Llama, model: LlamaModel): Grammars {
  /** Most recently used last. */
  const cache = new Map<string, GuardFactory>();

  function textOf(schema: GbnfJsonSchema): string {
    // Not the root itself, which comes first: llama.cpp lets rules that it has not read be repeated half as often.
    const below = { oneOf: [schema] } as unknown as GbnfJsonObjectSchema;
    // The constructor, because `llama.createGrammarForJsonSchema` is asynchronous for no reason of ours.
    return tidy(new LlamaJsonSchemaGrammar(llama, below).grammar);
  }

  // At the start, so that a library whose grammars have changed is found out before anybody asks for one.
  const anyObjectText = textOf(anyObject);

  function compile(text: string): GuardFactory {
    const grammar = new LlamaGrammar(llama, { grammar: text });
    return () => {
      const state = new LlamaGrammarEvaluationState({ model, grammar });
      // What is set is advanced by llama.cpp itself.
      return { state: () => state, accept: () => {} };
    };
  }

  function toolGrammars(format: AnswerFormat & { kind: 'tool_calls' }): ToolGrammar[] {
    return format.tools.map((tool) => ({
      name: tool.name,
      grammar: textOf(
        toGrammarSchema(tool.parameters, {
          strict: false,
          name: `tools: parameters of ${tool.name}`,
          param: 'tools',
        }),
      ),
    }));
  }

  function compileCalls(format: AnswerFormat & { kind: 'tool_calls' }): GuardFactory {
    if (format.tools.length === 0) {
      throw new ChatError('bad_request', 'tools: expected at least one, got none', {
        param: 'tools',
      });
    }
    const tools = toolGrammars(format);
    const begin = (before: string): GuardFactory | undefined => {
      const text = callsGrammar(tools, { parallel: format.parallel, before });
      return text === undefined ? undefined : compile(text);
    };
    if (format.choice === 'required') return begin('')!;
    // Compiled now too, so that a schema without a grammar is refused before anything is generated.
    const usual = begin(callOpening);
    return () =>
      createLazyGuard(model, (before) => (before === callOpening ? usual?.() : begin(before)?.()));
  }

  function compileFormat(format: AnswerFormat): GuardFactory {
    if (format.kind === 'tool_calls') return compileCalls(format);
    if (format.kind === 'json_object') return compile(anyObjectText);
    const { schema, strict } = format;
    const where = { name: 'response_format: json_schema', param: 'response_format' };
    return compile(textOf(toGrammarSchema(schema, { strict, ...where })));
  }

  return {
    prepare(format) {
      const key = JSON.stringify(format);
      const factory = cache.get(key) ?? compileOrRefuse(() => compileFormat(format), format);
      cache.delete(key);
      cache.set(key, factory);
      if (cache.size > cachedGrammars) cache.delete(cache.keys().next().value!);
      return factory;
    },
  };
}

function compileOrRefuse(compileIt: () => GuardFactory, format: AnswerFormat): GuardFactory {
  try {
    return compileIt();
  } catch (error) {
    if (error instanceof ChatError) throw error;
    const param = format.kind === 'tool_calls' ? 'tools' : 'response_format';
    throw new ChatError(
      'bad_request',
      `${param}: expected a schema that describes finite JSON, llama.cpp finds no grammar for this one`,
      { param, cause: error },
    );
  }
}

/** Free until the text opens a call; a token may end with more than the opening, which then counts. */
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

// The library lets an answer trail off in newlines, for models that do not end it; ours may end it at once.
const trailing = ' "\\n\\n\\n\\n" [\\n]*';

/**
 * Where the library's grammar allows what the schema does not: 1e-1 and 2^63 as integers, 1e999, 30 February, half a
 * character, of which two would count as one, and bytes that are none (a surrogate's, or one's above U+10FFFF), of which
 * each would count. llama.cpp itself takes overlong UTF-8 for a character.
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

function tidy(grammar: string): string {
  const [root = '', ...rules] = grammar.split('\n');
  if (!root.startsWith('root ::= ') || !root.endsWith(trailing)) {
    throw new Error(
      `expected node-llama-cpp's grammar to end its root rule with ${trailing}, got ${root.slice(-40)}: its version is not the one this was written for`,
    );
  }
  const text = [root.slice(0, -trailing.length), ...rules].join('\n');
  return corrections.reduce(
    (corrected, [pattern, replacement]) => corrected.replaceAll(pattern, replacement),
    text,
  );
}
