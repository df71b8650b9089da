/** The view in the URL fragment (`#/traces/ID?filter=failed`), so that every view has a URL and the server serves one page. */
import { createStore, useStore } from './store.ts';

const views = ['chat', 'traces', 'live', 'alerts', 'runbooks'] as const;
export type View = (typeof views)[number];

/** What a view shows: filters, time range. Values that are undefined or empty are not in the URL. */
export type Query = Readonly<Record<string, string | undefined>>;

export interface Route {
  view: View;
  /** Id of a conversation, trace or dashboard, or name of a runbook. */
  id: string | undefined;
  query: Query;
}

function parseRoute(hash: string): Route {
  const [path = '', search = ''] = hash.replace(/^#\/?/, '').split(/\?(.*)/s);
  const [view, id] = path.split('/');
  const known = views.find((candidate) => candidate === view) ?? 'chat';
  return {
    view: known,
    id: id === undefined || id === '' ? undefined : decode(id),
    query: Object.fromEntries(new URLSearchParams(search)),
  };
}

/** A truncated URL may end within an escape sequence. */
function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

export function linkTo(view: View, id?: string, query: Query = {}): string {
  const given = Object.entries(query).filter((entry): entry is [string, string] => !!entry[1]);
  const search = given.length === 0 ? '' : `?${new URLSearchParams(given).toString()}`;
  return `#/${view}${id === undefined ? '' : `/${encodeURIComponent(id)}`}${search}`;
}

const route = createStore(parseRoute(location.hash));
addEventListener('hashchange', () => route.set(parseRoute(location.hash)));

export function useRoute(): Route {
  return useStore(route);
}

/** @param how `replace` changes the current entry of the history, for texts that change with each key. */
export function changeQuery(change: Query, how: 'push' | 'replace' = 'push'): void {
  const { view, id, query } = route.get();
  const url = linkTo(view, id, { ...query, ...change });
  if (url === location.hash) return;
  if (how === 'push') history.pushState(null, '', url);
  else history.replaceState(null, '', url);
  route.set(parseRoute(url));
}
