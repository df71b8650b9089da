/** From webhooks to what a person reads: what broke, since when, the number, and where to look. Used by the worker and the API. */
import { texts } from './message-texts.ts';
import type { Locale, Texts } from './message-texts.ts';
import { formatDuration } from '../../../src/kit/duration.ts';
import { formatTime, readTime } from './times.ts';
import type { Alert, Payload } from '../webhook.ts';

export interface Link {
  name: string;
  url: string;
}

/** One alert in full. */
export interface Section {
  heading: string;
  paragraphs: string[];
  items: string[];
  links: Link[];
}

export interface Message {
  /** One line for the list of conversations, under 120 characters. */
  title: string;
  /** False when all of it is over. */
  isFiring: boolean;
  /** Firing alerts first; empty in a digest. */
  sections: Section[];
  /** Every alert in one line, in the order they came: a digest, or what stands for sections that would fill many messages. */
  lines: string[];
  /** About the message as a whole. */
  notes: string[];
  alerts: Alert[];
}

export interface MessageOptions {
  locale: Locale;
  /** IANA name; every time is shown in it. */
  timeZone: string;
}

const maxTextCharacters = 600;
const maxLabelCharacters = 100;
const maxLabels = 8;
const maxLinkCharacters = 1500;

/** One webhook is told in full; several become one digest that names each of their alerts. */
export function renderMessage(payloads: readonly Payload[], options: MessageOptions): Message {
  const words: Texts = texts[options.locale];
  const isDigest = payloads.length > 1;
  const alerts = payloads.flatMap((payload) => payload.alerts);
  const firing = alerts.filter(({ status }) => status === 'firing');
  const resolved = alerts.filter(({ status }) => status === 'resolved');
  const truncated = payloads.reduce((sum, { truncatedAlerts }) => sum + truncatedAlerts, 0);
  return {
    title: renderTitle(firing, resolved, words),
    isFiring: firing.length > 0,
    sections: isDigest
      ? []
      : [...firing, ...resolved].map((alert) => renderAlert(alert, words, options.timeZone)),
    lines: alerts.map((alert) => renderLine(alert, words, options.timeZone)),
    notes: [
      ...(isDigest ? [words.digest(payloads.length)] : []),
      ...new Set(payloads.flatMap(({ origin }) => (origin ? [words.origins[origin]] : []))),
      ...(truncated > 0 ? [words.more(truncated)] : []),
    ],
    alerts,
  };
}

function renderTitle(firing: Alert[], resolved: Alert[], words: Texts): string {
  const counts: [string, number][] = [
    [words.firing, firing.length],
    [words.resolved, resolved.length],
  ];
  const states = counts
    .filter(([, count]) => count > 0)
    .map(([word, count]) => (count === 1 ? word : `${word} ${count}`))
    .join(' · ');
  const names = [...new Set([...firing, ...resolved].map(nameOf))];
  const shown = names.slice(0, 3).join(', ') + (names.length > 3 ? ' …' : '');
  return cut(`${firing.length > 0 ? '🔥' : '✅'} ${states}: ${shown}`, 110);
}

function headingOf(alert: Alert, words: Texts): string {
  const severity = alert.labels['severity'] ?? '';
  const state =
    alert.status === 'firing' ? (words.severities[severity] ?? severity) : words.resolved;
  return [state, nameOf(alert)].filter(Boolean).join(' · ');
}

/** A resolved alert keeps the annotations of its firing: its description holds a number that is no longer true. */
function renderAlert(alert: Alert, words: Texts, timeZone: string): Section {
  const isFiring = alert.status === 'firing';
  const summary = annotation(alert, 'summary', words);
  const was = summary && `${words.wasAbout}${words.colon}${summary}`;
  const about = describeLabels(alert.labels);
  return {
    heading: headingOf(alert, words),
    paragraphs: (isFiring ? [summary, annotation(alert, 'description', words)] : [was]).filter(
      Boolean,
    ),
    items: [
      ...renderTimes(alert, words, timeZone),
      ...(about ? [[words.about, about] as [string, string]] : []),
    ].map(([name, value]) => `${name}${words.colon}${value}`),
    links: renderLinks(alert, words),
  };
}

function renderLine(alert: Alert, words: Texts, timeZone: string): string {
  const [first, ...rest] = renderTimes(alert, words, timeZone);
  const [name, value] = rest.at(-1) ?? first ?? ['', ''];
  return [
    `${alert.status === 'firing' ? '🔥' : '✅'} ${headingOf(alert, words)}`,
    describeLabels(alert.labels),
    cut(annotation(alert, 'summary', words), maxLabelCharacters),
    `${name} ${value}`,
  ]
    .filter(Boolean)
    .join(' · ');
}

function annotation({ annotations }: Alert, name: string, words: Texts): string {
  return cut(annotations[name + words.annotationSuffix] ?? annotations[name] ?? '');
}

function renderTimes(alert: Alert, words: Texts, timeZone: string): [string, string][] {
  const start = readTime(alert.startsAt);
  const since: [string, string] = [words.since, formatTime(start, timeZone) ?? words.unknownTime];
  if (alert.status === 'firing') return [since];
  const end = readTime(alert.endsAt);
  const ended: [string, string] = [words.endedAt, formatTime(end, timeZone) ?? words.unknownTime];
  if (start === undefined || end === undefined) return [since, ended];
  return [since, ended, [words.lasted, formatDuration((end - start) / 1000, words.units)]];
}

function describeLabels(labels: Record<string, string>): string {
  const entries = Object.entries(labels).filter(
    ([name]) => !['alertname', 'severity'].includes(name),
  );
  const shown = entries.slice(0, maxLabels).map(([name, value]) => {
    return `${name}=${cut(value, maxLabelCharacters)}`;
  });
  return shown.join(', ') + (entries.length > maxLabels ? ' …' : '');
}

function renderLinks({ annotations, generatorURL }: Alert, words: Texts): Link[] {
  const links: [string, string | undefined][] = [
    [words.runbook, annotations['runbook_url']],
    [words.dashboard, annotations['dashboard_url']],
    [words.trace, annotations['trace_url']],
    [words.query, generatorURL],
  ];
  return links.flatMap(([name, given = '']) => {
    const url = URL.parse(given);
    if (url === null || !/^https?:$/.test(url.protocol)) return [];
    // A closing parenthesis would end a markdown link.
    const href = url.href.replaceAll('(', '%28').replaceAll(')', '%29');
    return href.length > maxLinkCharacters ? [] : [{ name, url: href }];
  });
}

function nameOf({ labels }: Alert): string {
  return cut(labels['alertname'] ?? 'alert', maxLabelCharacters);
}

/** One line of at most `max` characters, never half of one. */
function cut(text: string, max = maxTextCharacters): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= max) return line;
  // A high surrogate at the end has lost its other half.
  return `${line.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
