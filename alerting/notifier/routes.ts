/** Which alert goes to which channels: matchers on its labels, written as Alertmanager writes them. Used by the app. */
import type { Recipient } from './outbox/outbox.ts';
import type { Alert } from './webhook.ts';

export interface Matcher {
  label: string;
  matches: (value: string) => boolean;
}

export interface Route {
  /** The last part of the webhook's URL, `/alerts/{path}`; undefined is any. */
  path: string | undefined;
  /** All of them hold. */
  match: readonly Matcher[];
  channels: readonly string[];
  /** Later routes are looked at, too. */
  continue: boolean;
}

const syntax = /^\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"]*?))\s*$/;

/** `severity="critical"`, `team=~"infra|db"`, `!=`, `!~`. @throws Error that says what was expected. */
export function parseMatcher(text: string): Matcher {
  const [, label, operator, quoted, bare] = syntax.exec(text) ?? [];
  if (label === undefined) {
    throw new Error(`expected a matcher like severity="critical", got "${text}"`);
  }
  const value = (quoted ?? bare ?? '').replaceAll(
    /\\(.)/g,
    operator?.includes('~') ? '\\$1' : '$1',
  );
  if (operator === '=') return { label, matches: (given) => given === value };
  if (operator === '!=') return { label, matches: (given) => given !== value };
  const pattern = new RegExp(`^(?:${value})$`);
  return { label, matches: (given) => pattern.test(given) === (operator === '=~') };
}

/**
 * Each channel with the places of its alerts. An alert that no route wants goes to every channel: a gap in a
 * configuration must not be silence.
 */
export function routeAlerts(
  routes: readonly Route[],
  channels: readonly string[],
  path: string,
  alerts: readonly Alert[],
): Recipient[] {
  const places = new Map<string, number[]>(channels.map((channel) => [channel, []]));
  alerts.forEach(({ labels }, place) => {
    for (const channel of channelsOf(routes, path, labels) ?? channels) {
      places.get(channel)?.push(place);
    }
  });
  return channels.flatMap((channel) => {
    const own = places.get(channel) ?? [];
    if (own.length === 0) return [];
    return [{ channel, alerts: own.length === alerts.length ? null : own }];
  });
}

function channelsOf(
  routes: readonly Route[],
  path: string,
  labels: Record<string, string>,
): ReadonlySet<string> | undefined {
  const chosen = new Set<string>();
  for (const route of routes) {
    const isPath = route.path === undefined || route.path === path;
    if (!isPath || !route.match.every(({ label, matches }) => matches(labels[label] ?? '')))
      continue;
    for (const channel of route.channels) chosen.add(channel);
    if (!route.continue) return chosen;
  }
  return chosen.size > 0 ? chosen : undefined;
}
