/** Renders webhooks as a message for people: what is firing, since when, its values and links. Used by the worker and the app. */
import { texts } from './message-texts.ts';
import type { Locale, Texts } from './message-texts.ts';
import { formatDuration } from '../../../src/kit/duration.ts';
import { readTime } from '../webhook.ts';
import type { Alert, Payload } from '../webhook.ts';

/** One alert in full. */
export interface Section {
  heading: string;
  paragraphs: string[];
  items: string[];
  links: { name: string; url: string }[];
}

export interface Message {
  /** One line of at most 110 characters. */
  title: string;
  /** False when every alert is resolved. */
  isFiring: boolean;
  /** Firing alerts first; empty in a digest. */
  sections: Section[];
  /** Every alert in one line, in order of arrival: for digests, and in place of sections that would fill many messages. */
  lines: string[];
  /** Notes about the message as a whole. */
  notes: string[];
  alerts: Alert[];
}

export interface MessageOptions {
  locale: Locale;
  /** IANA name; times are shown in it. */
  timeZone: string;
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
  return {
    title: renderTitle(firing, resolved, words),
    isFiring: firing.length > 0,
    sections: isDigest
      ? []
      : [...firing, ...resolved].map((alert) => renderAlert(alert, words, options.timeZone)),
    lines: alerts.map((alert) => renderLine(alert, words, options.timeZone)),
    notes: [
      ...(isDigest ? [words.digest(payloads.length)] : []),
      // The outbox may contain an origin that an older version stored and that has no text here.
      ...new Set(payloads.flatMap(({ origin }) => (origin && words.origins[origin]) ?? [])),
      ...(truncated > 0 ? [words.truncated(truncated)] : []),
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
  const shown = names.slice(0, 3).join(words.comma) + (names.length > 3 ? ' …' : '');
  const symbol = firing.length > 0 ? '🔥' : '✅';
  return cut(`${symbol} ${states}${words.colon}${shown}`, maxTitleCharacters);
}

function headingOf(alert: Alert, words: Texts): string {
  const severity = alert.labels['severity'] ?? '';
  const state =
    alert.status === 'firing' ? (words.severities.get(severity) ?? severity) : words.resolved;
  return [state, nameOf(alert)].filter(Boolean).join(' · ');
}

/** A resolved alert has no description, because Alertmanager keeps the annotations of the firing alert, with outdated values. */
function renderAlert(alert: Alert, words: Texts, timeZone: string): Section {
  const summary = annotation(alert, 'summary', words);
  const ended = summary && `${words.resolvedAlert}${words.colon}${summary}`;
  const paragraphs =
    alert.status === 'firing' ? [summary, annotation(alert, 'description', words)] : [ended];
  const labels = describeLabels(alert.labels);
  const items = renderTimes(alert, words, timeZone);
  if (labels) items.push([words.labels, labels]);
  return {
    heading: headingOf(alert, words),
    paragraphs: paragraphs.filter(Boolean),
    items: items.map(([name, value]) => `${name}${words.colon}${value}`),
    links: renderLinks(alert, words),
  };
}

function renderLine(alert: Alert, words: Texts, timeZone: string): string {
  const parts = [
    `${alert.status === 'firing' ? '🔥' : '✅'} ${headingOf(alert, words)}`,
    describeLabels(alert.labels),
    cut(annotation(alert, 'summary', words), maxLabelCharacters),
    renderTimes(alert, words, timeZone).at(-1)?.join(' '),
  ];
  return parts.filter(Boolean).join(' · ');
}

function annotation({ annotations }: Alert, name: string, words: Texts): string {
  return cut(annotations[name + words.annotationSuffix] ?? annotations[name] ?? '');
}

/** The start of an alert; for a resolved alert also its end and duration. */
function renderTimes(alert: Alert, words: Texts, timeZone: string): [string, string][] {
  const show = (time: number | undefined) =>
    time === undefined ? words.unknownTime : formatTime(time, timeZone);
  const start = readTime(alert.startsAt);
  const started: [string, string] = [words.startedAt, show(start)];
  if (alert.status === 'firing') return [started];
  const end = readTime(alert.endsAt);
  const ended: [string, string] = [words.endedAt, show(end)];
  if (start === undefined || end === undefined) return [started, ended];
  return [started, ended, [words.lasted, formatDuration((end - start) / 1000, words.units)]];
}

/** Formats a time such as `2026-04-26 11:21:41 (Asia/Shanghai)`. */
function formatTime(time: number, timeZone: string): string {
  const options = { timeZone, dateStyle: 'short', timeStyle: 'medium' } as const;
  // Swedish dates are ISO 8601.
  return `${new Intl.DateTimeFormat('sv-SE', options).format(time)} (${timeZone})`;
}

function describeLabels(labels: Record<string, string>): string {
  const { alertname: _, severity: __, ...others } = labels;
  const shown = Object.entries(others).map(
    ([name, value]) => `${name}=${cut(value, maxLabelCharacters)}`,
  );
  return shown.slice(0, maxLabels).join(', ') + (shown.length > maxLabels ? ' …' : '');
}

function renderLinks({ annotations, generatorURL }: Alert, words: Texts): Section['links'] {
  const links: [string, string | undefined][] = [
    [words.runbook, annotations['runbook_url']],
    [words.dashboard, annotations['dashboard_url']],
    [words.trace, annotations['trace_url']],
    [words.query, generatorURL],
  ];
  return links.flatMap(([name, given = '']) => {
    const url = URL.parse(given);
    if (url === null || !/^https?:$/.test(url.protocol)) return [];
    // Parentheses would end the markdown link.
    const href = url.href.replaceAll('(', '%28').replaceAll(')', '%29');
    return href.length > maxLinkCharacters ? [] : [{ name, url: href }];
  });
}

function nameOf({ labels }: Alert): string {
  return cut(labels['alertname'] ?? 'alert', maxLabelCharacters);
}

/** Joins the text into one line and cuts it to `max` characters, not inside a surrogate pair. */
function cut(text: string, max = maxTextCharacters): string {
  const line = text.replaceAll(/\s+/g, ' ').trim();
  if (line.length <= max) return line;
  return `${line.slice(0, max - 1).replace(/[\uD800-\uDBFF]$/, '')}…`;
}
