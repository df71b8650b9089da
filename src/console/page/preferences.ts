/** Language, theme and keys, stored in the browser once they are chosen. */
import { onStored, readStored, writeStored } from './browser-storage.ts';
import { createStore, type Store } from './store.ts';

export type Language = 'en' | 'zh';
/** `system` follows the color scheme of the browser. */
export type Theme = 'system' | 'light' | 'dark';

export interface Credentials {
  /** For `/v1`, if the service requires one. */
  apiKey: string;
  /** For `/api`, from another machine. */
  metricsToken: string;
}

function browserLanguage(): Language {
  return navigator.language.toLowerCase().startsWith('zh') ? 'zh' : 'en';
}

function createPreference<Value>(key: string, initial: Value): Store<Value> {
  const store = createStore((readStored(key) as Value | undefined) ?? initial);
  store.subscribe(() => void writeStored(key, store.get()));
  // Another tab has changed it. What it stored is not stored again.
  onStored(key, () => {
    const stored = readStored(key) as Value | undefined;
    if (JSON.stringify(stored ?? initial) !== JSON.stringify(store.get())) {
      store.set(stored ?? initial);
    }
  });
  return store;
}

export const language = createPreference<Language>('language', browserLanguage());
export const theme = createPreference<Theme>('theme', 'system');
export const credentials = createPreference<Credentials>('credentials', {
  apiKey: '',
  metricsToken: '',
});

/** Sets the attributes of `<html>` that the style sheets and screen readers use. */
export function applyPreferences(): void {
  document.documentElement.lang = language.get() === 'zh' ? 'zh-CN' : 'en';
  if (theme.get() === 'system') delete document.documentElement.dataset['theme'];
  else document.documentElement.dataset['theme'] = theme.get();
}
