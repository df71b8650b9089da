/** Where the person is: the part after `#`, so that every view has an address and the server sees none of it. */
import { useEffect, useState } from 'preact/hooks';

export const views = ['chat', 'traces', 'live', 'alerts', 'runbooks'] as const;
export type View = (typeof views)[number];

export interface Route {
  view: View;
  /** A conversation, trace, dashboard or runbook. */
  id: string | undefined;
}

export function parseRoute(hash: string): Route {
  const [view, id] = hash.replace(/^#\/?/, '').split('/');
  const known = views.find((candidate) => candidate === view) ?? 'chat';
  return { view: known, id: id === undefined || id === '' ? undefined : decode(id) };
}

/** An address that somebody cut short may end within an escape. */
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
