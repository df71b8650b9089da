/** Decides which alerts go to which channels, by matchers on their labels in Alertmanager's syntax. Used by `intake.ts`. */
import type { OwnTexts } from './channels/channel.ts';
import type { Recipient } from './outbox/accept.ts';
import type { Alert } from './webhook.ts';

export interface Matcher {
  label: string;
  matches: (value: string) => boolean;
}

export interface Route extends OwnTexts {
  /** Last segment of the webhook's URL, `/alerts/{path}`; undefined matches any path. */
  path: string | undefined;
  /** An alert matches if all matchers match. */
  match: readonly Matcher[];
  channels: readonly string[];
  /** Later routes are evaluated too. */
  continue: boolean;
}

/** A label name, bare or quoted; an operator; a value, bare or quoted. https://prometheus.io/docs/alerting/latest/configuration/#matcher */
const syntax =
  /\s*(?:"((?:[^"\\]|\\.)+)"|([^\s"{}!=~,\\'`]+))\s*(=~|!~|!=|=)\s*(?:"((?:[^"\\]|\\.)*)"|([^\s"{}!=~,\\'`]*))\s*(,|$)/y;

/**
 * Parses matchers as Alertmanager does: `severity="critical"`, `"foo.bar"=~"a|b"`, `{a="b", c!~"d"}`.
 * @throws Error with the expected syntax.
 */
export function parseMatchers(text: string): Matcher[] {
  const [, braced = text] = /^\s*\{(.*)\}\s*$/s.exec(text) ?? [];
  const inner = braced.trim().replace(/,$/, '');
  const matchers: Matcher[] = [];
  syntax.lastIndex = 0;
  while (syntax.lastIndex < inner.length) {
    const found = syntax.exec(inner);
    if (found === null) break;
    const [, quotedName, name = unescape(quotedName ?? ''), operator = '=', quoted, bare = ''] =
      found;
    matchers.push(createMatcher(name, operator, quoted === undefined ? bare : unescape(quoted)));
    if (syntax.lastIndex === inner.length) return matchers;
  }
  throw new Error(`expected a matcher like severity="critical", got "${text}"`);
}

/** Only these escapes have a meaning; other backslashes stay, for the regular expression. */
function unescape(text: string): string {
  return text.replaceAll(/\\(["\\n])/g, (_, character: string) =>
    character === 'n' ? '\n' : character,
  );
}

function createMatcher(label: string, operator: string, value: string): Matcher {
  if (operator === '=') return { label, matches: (given) => given === value };
  if (operator === '!=') return { label, matches: (given) => given !== value };
  const pattern = toRegExp(value);
  return { label, matches: (given) => pattern.test(given) === (operator === '=~') };
}

const classes = new Map([
  ['alnum', '0-9A-Za-z'],
  ['alpha', 'A-Za-z'],
  ['blank', String.raw`\t `],
  ['digit', '0-9'],
  ['lower', 'a-z'],
  ['punct', String.raw`!-\/:-@\[-\`{-~`],
  ['space', String.raw`\t\n\v\f\r `],
  ['upper', 'A-Z'],
  ['word', '0-9A-Za-z_'],
  ['xdigit', '0-9A-Fa-f'],
]);

/**
 * A regular expression of Go (RE2) as one of JavaScript. What JavaScript does not know is an error, never a pattern that matches
 * something else. https://github.com/google/re2/wiki/Syntax
 */
function toRegExp(value: string): RegExp {
  const [, flags = '', pattern = value] = /^\(\?([ims]+)\)(.*)$/s.exec(value) ?? [];
  const translated = pattern
    .replaceAll(/\[:(\w+):\]/g, (whole, name: string) => classes.get(name) ?? whole)
    // Go also allows a backslash before characters that need none.
    .replaceAll(/\\([-"'@#%&,:;<>=!~` ])/g, (_, character: string) => {
      return `\\x${(character.codePointAt(0) ?? 0).toString(16).padStart(2, '0')}`;
    })
    .replaceAll(/\\([Az])/g, (_, anchor: string) => (anchor === 'A' ? '^' : '$'));
  try {
    if (/\[:\^?\w+:\]/.test(translated)) throw new SyntaxError('a class that is not known');
    return new RegExp(`^(?:${translated})$`, `u${flags}`);
  } catch (error) {
    const reason = error instanceof Error ? error.message : 'invalid';
    throw new Error(`expected a regular expression, got "${value}" (${reason})`, { cause: error });
  }
}

/** A label that is missing is empty. */
export const matchLabels = (matchers: readonly Matcher[], labels: Record<string, string>) =>
  matchers.every(({ label, matches }) =>
    matches((Object.hasOwn(labels, label) ? labels[label] : undefined) ?? ''),
  );

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
  const chosen = matchingRoutes(routes, path, labels);
  return chosen.length === 0 ? undefined : new Set(chosen.flatMap(({ channels }) => channels));
}

/** The route that sends an alert to this channel: the first one, if several do. */
export function findRoute(
  routes: readonly Route[],
  path: string,
  labels: Record<string, string>,
  channel: string,
): Route | undefined {
  return matchingRoutes(routes, path, labels).find(({ channels }) => channels.includes(channel));
}

/** The first route that matches, and later ones while `continue` is true. */
function matchingRoutes(
  routes: readonly Route[],
  path: string,
  labels: Record<string, string>,
): Route[] {
  const chosen: Route[] = [];
  for (const route of routes) {
    const isPath = route.path === undefined || route.path === path;
    if (!isPath || !matchLabels(route.match, labels)) continue;
    chosen.push(route);
    if (!route.continue) break;
  }
  return chosen;
}
