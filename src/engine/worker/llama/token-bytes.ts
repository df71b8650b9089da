/** The bytes of one token. A token may be part of a character, which its text shows as U+FFFD. Used by model.ts. */
import { LlamaVocabularyType, type LlamaModel, type Token } from 'node-llama-cpp';
import { byteAlphabet } from './byte-alphabet.ts';

const incomplete = '\uFFFD';

/** The bytes are UTF-8; a control token is its text. */
export function createTokenBytes(model: LlamaModel): (token: number) => readonly number[] {
  const alphabet = new Map(byteAlphabet().map((char, byte) => [char, byte]));
  return (token) => {
    const text = model.detokenize([token as Token], true);
    if (!text.includes(incomplete)) return [...Buffer.from(text)];
    const spelling = model.fileInfo.metadata.tokenizer.ggml.tokens[token] ?? '';
    if (model.vocabularyType === LlamaVocabularyType.bpe) {
      return Array.from(spelling, (char) => alphabet.get(char) ?? [...Buffer.from(char)]).flat();
    }
    // SentencePiece has a token for each byte.
    const byte = /^<0x([0-9A-F]{2})>$/.exec(spelling)?.[1];
    return byte === undefined ? [...Buffer.from(text)] : [Number.parseInt(byte, 16)];
  };
}
