/** The view in the URL fragment (`#/traces/ID`), so that every view has a URL and the server serves one page. */
import { useEffect, useState } from 'preact/hooks';

export const views = ['chat', 'traces', 'live', 'alerts', 'runbooks'] as const;
export type View = (typeof views)[number];

export interface Route {
  view: View;
  /** Id of a conversation, trace or dashboard, or name of a runbook. */
  id: string | undefined;
}

export function parseRoute(hash: string): Route {
  const [view, id] = hash.replace(/^#\/?/, '').split('/');
  const known = views.find((candidate) => candidate === view) ?? 'chat';
  return { view: known, id: id === undefined || id === '' ? undefined : decode(id) };
}

/** A truncated URL may end within an escape sequence. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function linkTo(view: View, id?: string): string {
  return `#/${view}${id === undefined ? '' : `/${encodeURIComponent(id)}`}`;
}

export function useRoute(): Route {
  const [route, setRoute] = useState(() => parseRoute(location.hash));
  useEffect(() => {
    const follow = (): void => setRoute(parseRoute(location.hash));
    addEventListener('hashchange', follow);
    return () => removeEventListener('hashchange', follow);
  }, []);
  return route;
}
