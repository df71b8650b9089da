/** Decides which alerts go to which channels, by matchers on their labels in Alertmanager's syntax. Used by `intake.ts`. */
import type { Recipient } from './outbox/accept.ts';
import type { Alert } from './webhook.ts';

export interface Matcher {
  label: string;
  matches: (value: string) => boolean;
}

export interface Route {
  /** Last segment of the webhook's URL, `/alerts/{path}`; undefined matches any path. */
  path: string | undefined;
  /** An alert matches if all matchers match. */
  match: readonly Matcher[];
  channels: readonly string[];
  /** Later routes are evaluated too. */
  continue: boolean;
}

const syntax = /^\s*([a-zA-Z_]\w*)\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^"]*?))\s*$/;

/** Parses `severity="critical"`, `team=~"infra|db"`, `!=` or `!~`. @throws Error with the expected syntax. */
export function parseMatcher(text: string): Matcher {
  const [, label, operator, quoted, bare] = syntax.exec(text) ?? [];
  if (label === undefined) {
    throw new Error(`expected a matcher like severity="critical", got "${text}"`);
  }
  const escaped = quoted ?? bare ?? '';
  const value = operator?.includes('~') ? escaped : escaped.replaceAll(/\\(.)/g, '$1');
  if (operator === '=') return { label, matches: (given) => given === value };
  if (operator === '!=') return { label, matches: (given) => given !== value };
  const pattern = new RegExp(`^(?:${value})$`);
  return { label, matches: (given) => pattern.test(given) === (operator === '=~') };
}

/**
 * The channels with the indexes of their alerts. An alert that no route matches goes to every channel, so that a gap in the
 * configuration does not lose it.
 */
export function routeAlerts(
  routes: readonly Route[],
  channels: readonly string[],
  path: string,
  alerts: readonly Alert[],
): Recipient[] {
  const everyChannel = new Set(channels);
  const chosen = alerts.map(({ labels }) => channelsOf(routes, path, labels) ?? everyChannel);
  return channels.flatMap((channel) => {
    const own = chosen.flatMap((names, index) => (names.has(channel) ? [index] : []));
    if (own.length === 0) return [];
    return [{ channel, alerts: own.length === alerts.length ? null : own }];
  });
}

/** The channels of an alert; undefined if no route matches. */
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
