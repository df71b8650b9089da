/** The bytes of one token, which may be a part of a character; text would show that as U+FFFD. Used by model.ts. */
import { LlamaVocabularyType, type LlamaModel, type Token } from 'node-llama-cpp';

const incomplete = '\uFFFD';

/** UTF-8; control tokens as their text. */
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

/** How vocabularies of byte-level BPE spell each byte: https://github.com/openai/gpt-2/blob/master/src/encoder.py. */
function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}
