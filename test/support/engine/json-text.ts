/** Runs JSON through the grammar of a schema, with llama.cpp's own automaton as the acceptor. No model is loaded. */
import { getLlama, LlamaGrammar, LlamaLogLevel } from 'node-llama-cpp';
import { createRules } from '../../../src/engine/worker/llama/grammar/gbnf.ts';
import { writeSchema } from '../../../src/engine/worker/llama/grammar/json-schema.ts';

const where = { name: 'response_format: json_schema', param: 'response_format' };

export interface Acceptor {
  dropped: readonly string[];
  accepts(text: string): boolean;
}

/** @returns the text of the schema's grammar, and the keywords that were dropped. @throws ChatError `bad_request` */
export function compileSchema(
  schema: unknown,
  strict = true,
): { grammar: string; dropped: readonly string[] } {
  const rules = createRules();
  const { part, dropped } = writeSchema(rules, schema, { strict, ...where });
  rules.define('root', [[part]]);
  return { grammar: rules.write('root')!, dropped };
}

/** @returns a function that makes the acceptor of a schema. It throws what `compileSchema` throws. */
export async function loadAcceptors(): Promise<(schema: unknown, strict?: boolean) => Acceptor> {
  const acceptorOf = await loadGrammars();
  return (schema, strict = true) => {
    const { grammar, dropped } = compileSchema(schema, strict);
    return { dropped, accepts: acceptorOf(grammar) };
  };
}

/** @returns a function that makes the acceptor of a grammar's text. */
export async function loadGrammars(): Promise<(grammar: string) => (text: string) => boolean> {
  const llama = await getLlama({ gpu: false, build: 'never', logLevel: LlamaLogLevel.error });
  return (grammar) => {
    const compiled = new LlamaGrammar(llama, { grammar });
    return (text) => testText(compiled, text);
  };
}

/** Internal to node-llama-cpp, and not among its types. */
function testText(grammar: LlamaGrammar, text: string): boolean {
  // oxlint-disable-next-line no-underscore-dangle -- the only acceptor there is
  return (grammar as unknown as { _testText(text: string): boolean })._testText(text);
}
