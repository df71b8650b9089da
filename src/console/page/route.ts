/** The view in the URL fragment (`#/traces/ID`), so that every view has a URL and the server serves one page. */
import { createStore, useStore } from './store.ts';

const views = ['chat', 'traces', 'live', 'alerts', 'runbooks'] as const;
export type View = (typeof views)[number];

export interface Route {
  view: View;
  /** Id of a conversation, trace or dashboard, or name of a runbook. */
  id: string | undefined;
}

function parseRoute(hash: string): Route {
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

const route = createStore(parseRoute(location.hash));
addEventListener('hashchange', () => route.set(parseRoute(location.hash)));

export function useRoute(): Route {
  return useStore(route);
}
