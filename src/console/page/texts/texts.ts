/** The texts of the page in the chosen language. */
import { language, type Language } from '../preferences.ts';
import { useStore } from '../store.ts';
import type { Text } from '../../../../otel/text.ts';
import { en, type Texts } from './en.ts';
import { zh } from './zh.ts';

const languages: Record<Language, Texts> = { en, zh };

export function useTexts(): Texts {
  return languages[useStore(language)];
}

/** Picks the chosen language of a text from the service. */
export function usePick(): (words: Text) => string {
  const current = useStore(language);
  return (words) => words[current];
}
