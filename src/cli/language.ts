/** Texts of `make chat` and `make trace` in the terminal's language. */
import type { Text } from '../../otel/text.ts';
import { languageOf } from '../kit/language.ts';

const language = languageOf(process.env);

export function pick(text: Text): string {
  return text[language];
}

export function say(text: Text): void {
  process.stdout.write(`${pick(text)}\n`);
}
