/**
 * The character that vocabularies of byte-level BPE write for each byte, from GPT-2:
 * https://github.com/openai/gpt-2/blob/master/src/encoder.py. Used by token-bytes.ts and by the generator of test models.
 */
export function byteAlphabet(): string[] {
  let next = 256;
  return Array.from({ length: 256 }, (_, byte) => {
    const isPrintable = (byte > 32 && byte < 127) || (byte > 160 && byte !== 173);
    return String.fromCodePoint(isPrintable ? byte : next++);
  });
}
