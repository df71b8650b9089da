/** Renders webhooks as a message for people: what is firing, since when, its values and links. Used by the worker and the app. */
import { texts } from './message-texts.ts';
import type { Locale, Texts } from './message-texts.ts';
import { formatTime } from './time.ts';
import { publicLink } from './links.ts';
import type { PublicUrls } from './links.ts';
import { formatDuration } from '../../../src/kit/duration.ts';
import { readTime } from '../webhook.ts';
import type { Alert, Payload } from '../webhook.ts';

/** One alert in full. Its texts are as the alert has them; `markdown.ts` and `mail-text.ts` escape them. */
export interface Section {
  /** Empty if it is the title of the message. */
  heading: string;
  /** Times, and the description with the value against its threshold. */
  paragraphs: string[];
  /** Texts whose markup the rule's author asked for (annotation `markup: markdown`). */
  markup: string[];
  /** The first action: a command to paste. */
  action: { name: string; command: string } | undefined;
  links: { name: string; url: string }[];
  labels: string;
}

export interface Message {
  /** One line of at most 110 characters. */
  title: string;
  /** False when every alert is resolved. */
  isFiring: boolean;
  /** The highest severity of the firing alerts; empty without one. */
  severity: string;
  /** Firing alerts first; empty in a digest. */
  sections: Section[];
  /** Every alert in one line, in order of arrival: for digests, and in place of sections that would fill many messages. */
  lines: string[];
  /** Notes about the message as a whole. */
  notes: string[];
  alerts: Alert[];
  /** The text of a template in the channel's markup, in place of the sections, lines and notes. */
  body?: string;
  /** The variables of a template. */
  facts: () => ReturnType<typeof describe>;
}

export interface MessageOptions {
  locale: Locale;
  /** A zone of `Intl`; times are shown in it. */
  timeZone: string;
  /** Addresses that a phone can open, in place of those in the alert's links. */
  publicUrls?: PublicUrls;
}

const maxTitleCharacters = 110;
const maxTextCharacters = 600;
const maxLabelCharacters = 100;
const maxLabels = 8;
const maxLinkCharacters = 1500;

/** Renders one webhook in full, several as a digest with one line per alert. */
export function renderMessage(payloads: readonly Payload[], options: MessageOptions): Message {
  const words = texts[options.locale];
  const isDigest = payloads.length > 1;
  const alerts = payloads.flatMap((payload) => payload.alerts);
  const firing = alerts.filter(({ status }) => status === 'firing');
  const resolved = alerts.filter(({ status }) => status === 'resolved');
  const truncated = payloads.reduce((sum, { truncatedAlerts }) => sum + truncatedAlerts, 0);
  const title = renderTitle(firing, resolved, words);
  return {
    title,
    isFiring: firing.length > 0,
    severity: highest(firing),
    sections: isDigest
      ? []
      : [...firing, ...resolved].map((alert) =>
          renderAlert(alert, words, options, alerts.length === 1),
        ),
    lines: alerts.map((alert) => renderLine(alert, words, options.timeZone)),
    notes: [
      ...(isDigest ? [words.digest(payloads.length)] : []),
      // The outbox may contain an origin that an older version stored and that has no text here.
      ...new Set(payloads.flatMap(({ origin }) => (origin && words.origins[origin]) ?? [])),
      ...(truncated > 0 ? [words.truncated(truncated)] : []),
    ],
    alerts,
    facts: () => describe(title, alerts, options),
  };
}

/** `labels`: those that all alerts share. */
function describe(title: string, alerts: readonly Alert[], options: MessageOptions) {
  const firing = alerts.filter(({ status }) => status === 'firing');
  const [first, ...others] = alerts;
  const shared = Object.entries(first?.labels ?? {}).filter(([name, value]) =>
    others.every(({ labels }) => labels[name] === value),
  );
  return {
    title,
    status: firing.length > 0 ? 'firing' : 'resolved',
    severity: highest(firing),
    labels: Object.fromEntries(shared),
    firing: firing.length,
    resolved: alerts.length - firing.length,
    alerts: alerts.map((alert) => describeAlert(alert, options)),
  };
}

const severities = ['critical', 'warning', 'info', 'none'];

function highest(alerts: readonly Alert[]): string {
  const given = alerts.map(({ labels }) => labels['severity'] ?? '');
  return severities.find((severity) => given.includes(severity)) ?? given.find(Boolean) ?? '';
}

/** One alert: its headline. Several: their severity, counts and summaries. */
function renderTitle(firing: Alert[], resolved: Alert[], words: Texts): string {
  const alerts = [...firing, ...resolved];
  const [first] = alerts;
  if (first !== undefined && alerts.length === 1) {
    return cutTitle(headline(first, words));
  }
  const counts: [string, number][] = [
    [words.firing, firing.length],
    [words.resolved, resolved.length],
  ];
  const states = counts
    .filter(([, count]) => count > 0)
    .map(([word, count]) => `${word} ${count}`)
    .join(' · ');
  const names = [...new Set(alerts.map((alert) => summaryOf(alert, words) || nameOf(alert)))];
  const shown = names.slice(0, 3).join(words.comma) + (names.length > 3 ? ' …' : '');
  const badge = words.badge(
    firing.length === 0 ? words.resolved : severityOf(highest(firing), words),
  );
  return cutTitle(`${badge}${states}${words.colon}${shown}`);
}

const severityOf = (severity: string, words: Texts): string =>
  words.severities.get(severity) ?? (severity || words.firing);

const summaryOf = (alert: Alert, words: Texts): string =>
  cut(annotation(alert, 'summary', words), maxLabelCharacters);

/** `[critical] Time to first token is high (TimeToFirstTokenHigh)`; a resolved alert also has its duration. */
function headline(alert: Alert, words: Texts): string {
  const isFiring = alert.status === 'firing';
  const state = isFiring ? severityOf(alert.labels['severity'] ?? '', words) : words.resolved;
  const summary = summaryOf(alert, words);
  const name = nameOf(alert);
  const lasted = isFiring ? undefined : durationOf(alert, words);
  return [
    words.badge(cut(state, maxLabelCharacters)),
    summary === '' ? name : words.named(summary, name),
    lasted === undefined ? '' : words.lastedFor(lasted),
  ].join('');
}

/** A resolved alert has no description, because Alertmanager keeps the annotations of the firing alert, with outdated values. */
function renderAlert(
  alert: Alert,
  words: Texts,
  { timeZone, publicUrls = {} }: MessageOptions,
  isOnly: boolean,
): Section {
  const isFiring = alert.status === 'firing';
  const summary = annotation(alert, 'summary', words);
  const description = isFiring ? annotation(alert, 'description', words) : '';
  const isMarkup = alert.annotations['markup'] === 'markdown';
  const command = isFiring ? annotation(alert, 'action', words) : '';
  const labels = describeLabels(alert.labels);
  return {
    heading: isOnly ? '' : headline(alert, words),
    paragraphs: [
      renderTimes(alert, words, timeZone),
      // The headline has no room for more.
      summary.length > maxLabelCharacters ? summary : '',
      isMarkup ? '' : description,
    ].filter(Boolean),
    markup: isMarkup && description ? [description] : [],
    action: command ? { name: `${words.action}${words.colon}`, command } : undefined,
    links: renderLinks(alert, words, publicUrls),
    labels: labels && `${words.labels}${words.colon}${labels}`,
  };
}

function renderLine(alert: Alert, words: Texts, timeZone: string): string {
  const parts = [
    `${alert.status === 'firing' ? '🔥' : '✅'} ${headline(alert, words)}`,
    describeLabels(alert.labels),
    renderTimes(alert, words, timeZone),
  ];
  return parts.filter(Boolean).join(' · ');
}

/** The variables of a template for one alert, beside its fields, in the message's language and time zone. Unknown facts are empty. */
function describeAlert(alert: Alert, { locale, timeZone, publicUrls = {} }: MessageOptions) {
  const words = texts[locale];
  const timeOf = (given: string): string => {
    const time = readTime(given);
    return time === undefined ? '' : formatTime(time, timeZone);
  };
  const links = new Map(
    renderLinks(alert, words, publicUrls).map(({ name, url }) => [name, url] as const),
  );
  const isFiring = alert.status === 'firing';
  return {
    ...alert,
    name: nameOf(alert),
    severity: alert.labels['severity'] ?? '',
    summary: annotation(alert, 'summary', words),
    description: isFiring ? annotation(alert, 'description', words) : '',
    action: isFiring ? annotation(alert, 'action', words) : '',
    started: timeOf(alert.startsAt),
    ended: isFiring ? '' : timeOf(alert.endsAt),
    lasted: isFiring ? '' : (durationOf(alert, words) ?? ''),
    runbook: links.get(words.runbook) ?? '',
    graph: links.get(words.dashboard) ?? '',
    trace: links.get(words.trace) ?? '',
    query: links.get(words.query) ?? '',
  };
}

function annotation({ annotations }: Alert, name: string, words: Texts): string {
  return cut(annotations[name + words.annotationSuffix] ?? annotations[name] ?? '');
}

/** The start of a firing alert, the end of a resolved one. */
function renderTimes(alert: Alert, words: Texts, timeZone: string): string {
  const isFiring = alert.status === 'firing';
  const time = readTime(isFiring ? alert.startsAt : alert.endsAt);
  const shown = time === undefined ? words.unknownTime : formatTime(time, timeZone);
  return `${isFiring ? words.startedAt : words.endedAt}${words.colon}${shown}`;
}

function durationOf(alert: Alert, words: Texts): string | undefined {
  const [start, end] = [readTime(alert.startsAt), readTime(alert.endsAt)];
  if (start === undefined || end === undefined) return undefined;
  return formatDuration((end - start) / 1000, words.units);
}

function describeLabels(labels: Record<string, string>): string {
  const { alertname: _, severity: __, ...others } = labels;
  const shown = Object.entries(others).map(
    ([name, value]) => `${name}=${cut(value, maxLabelCharacters)}`,
  );
  return shown.slice(0, maxLabels).join(', ') + (shown.length > maxLabels ? ' …' : '');
}

function renderLinks(
  { annotations, generatorURL }: Alert,
  words: Texts,
  publicUrls: PublicUrls,
): Section['links'] {
  const links: [string, string | undefined][] = [
    [words.runbook, annotations['runbook_url']],
    [words.dashboard, annotations['dashboard_url']],
    [words.trace, annotations['trace_url']],
    // Both open Prometheus; that of the dashboard has the graph.
    [words.query, annotations['dashboard_url'] ? undefined : generatorURL],
  ];
  return links.flatMap(([name, given = '']) => {
    const url = publicLink(given, publicUrls, words.language);
    if (url === undefined) return [];
    // Parentheses would end the markdown link.
    const href = url.href.replaceAll('(', '%28').replaceAll(')', '%29');
    return href.length > maxLinkCharacters ? [] : [{ name, url: href }];
  });
}

function nameOf({ labels }: Alert): string {
  return cut(labels['alertname'] ?? 'alert', maxLabelCharacters);
}

/** One line of at most 110 characters. */
export const cutTitle = (text: string): string => cut(text, maxTitleCharacters);

/** Joins the text into one line and cuts it to `max` characters, not inside a surrogate pair. */
function cut(text: string, max = maxTextCharacters): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= max) return line;
  return `${line.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
