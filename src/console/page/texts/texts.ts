/** Which language's sentences a component says, and how both write numbers and times. */
import { language, type Language } from '../preferences.ts';
import { useStore } from '../store.ts';
import type { Text } from '../../../../otel/text.ts';
import { en } from './en.ts';
import { zh } from './zh.ts';

export type Texts = typeof en;

const languages: Record<Language, Texts> = { en, zh };

export function useTexts(): Texts {
  return languages[useStore(language)];
}

/** Picks from what the service says in both languages. */
export function usePick(): (words: Text) => string {
  const current = useStore(language);
  return (words) => words[current];
}
