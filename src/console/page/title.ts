/** The title of the browser's tab. `app.tsx` sets that of the view; a view that shows one thing sets its own. */
import { useEffect } from 'preact/hooks';

/** After every render, because the title of the view is set again when the language changes. */
export function useTitle(name: string): void {
  useEffect(() => setTitle(name));
}

export function setTitle(name: string): void {
  document.title = `${name} · llamascope`;
}
