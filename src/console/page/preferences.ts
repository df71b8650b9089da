/** Language, colours and keys of the person at the browser; each is kept once it was chosen. */
import { readStored, writeStored } from './browser-storage.ts';
import { createStore, type Store } from './store.ts';

export type Language = 'en' | 'zh';
/** `system` follows the browser. */
export type Theme = 'system' | 'light' | 'dark';

export interface Credentials {
  /** For `/v1`, where the service asks for one. */
  apiKey: string;
  /** For `/api` from beyond loopback. */
  metricsToken: string;
}

function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

function createPreference<Value>(key: string, initial: Value): Store<Value> {
  const store = createStore((readStored(key) as Value | undefined) ?? initial);
  store.subscribe(() => void writeStored(key, store.get()));
  return store;
}

export const language = createPreference<Language>('language', browserLanguage());
export const theme = createPreference<Theme>('theme', 'system');
export const credentials = createPreference<Credentials>('credentials', {
  apiKey: '',
  metricsToken: '',
});

/** What the style sheet and screen readers go by. */
export function applyPreferences(): void {
  document.documentElement.lang = language.get() === 'zh' ? 'zh-CN' : 'en';
  if (theme.get() === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.get();
}
