/** From a webhook to what a person reads: what broke, since when, the number, and where to look. Used by the worker and the API. */
import { texts } from './message-texts.ts';
import type { Locale, Texts } from './message-texts.ts';
import type { Alert, Payload } from './webhook.ts';

export interface Message {
  /** One line for the list of conversations, under 120 characters. */
  title: string;
  /** Markdown, one section an alert, firing ones first; the last may point to the rest. */
  sections: string[];
  /** The line that stands for sections a channel has no room for. */
  more: (count: number) => string;
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

export function renderMessage(payload: Payload, { locale, timeZone }: MessageOptions): Message {
  const words: Texts = texts[locale];
  const firing = payload.alerts.filter(({ status }) => status === 'firing');
  const resolved = payload.alerts.filter(({ status }) => status === 'resolved');
  const sections = [...firing, ...resolved].map((alert) => renderAlert(alert, words, timeZone));
  if (payload.truncatedAlerts > 0) sections.push(words.more(payload.truncatedAlerts));
  return { title: renderTitle(firing, resolved, words), sections, more: words.more };
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
  return cut(`${firing.length > 0 ? '🔥' : '✅'} ${states}: ${shown}`, 120);
}

/** A resolved alert keeps the annotations of its firing: its description holds a number that is no longer true. */
function renderAlert(alert: Alert, words: Texts, timeZone: string): string {
  const isFiring = alert.status === 'firing';
  const severity = alert.labels['severity'] ?? '';
  const state = isFiring ? (words.severities[severity] ?? severity) : words.resolved;
  const annotation = (name: string): string =>
    cut(alert.annotations[name + words.annotationSuffix] ?? alert.annotations[name] ?? '');
  const item = (name: string, value: string): string => `- ${name}${words.colon}${value}`;
  const summary = annotation('summary');
  const about = describeLabels(alert.labels);
  return [
    `#### ${[state, nameOf(alert)].filter(Boolean).join(' · ')}`,
    '',
    ...(isFiring ? [summary, annotation('description')].filter(Boolean).flatMap(paragraph) : []),
    ...(!isFiring && summary ? paragraph(`${words.wasAbout}${words.colon}${summary}`) : []),
    ...renderTimes(alert, words, timeZone).map(([name, value]) => item(name, value)),
    ...(about ? [item(words.about, about)] : []),
    ...renderLinks(alert, words),
  ].join('\n');
}

const paragraph = (text: string): string[] => [text, ''];

function renderTimes(alert: Alert, words: Texts, timeZone: string): [string, string][] {
  const start = readTime(alert.startsAt);
  const since: [string, string] = [words.since, formatTime(start, timeZone) ?? words.unknownTime];
  if (alert.status === 'firing') return [since];
  const end = readTime(alert.endsAt);
  const ended: [string, string] = [words.endedAt, formatTime(end, timeZone) ?? words.unknownTime];
  if (start === undefined || end === undefined) return [since, ended];
  return [since, ended, [words.lasted, formatDuration((end - start) / 1000, words)]];
}

/** Alertmanager writes year 1 for "not known"; that is not a time to show. */
function readTime(text: string): number | undefined {
  const time = Date.parse(text);
  return time > 0 ? time : undefined;
}

function formatTime(time: number | undefined, timeZone: string): string | undefined {
  if (time === undefined) return undefined;
  // Swedish writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return `${format.format(time)} (${timeZone})`;
}

/** The two largest units: `8m 12s`, `1 天 3 小时`. */
function formatDuration(seconds: number, { units }: Texts): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), units.d],
    [Math.floor(whole / 3600) % 24, units.h],
    [Math.floor(whole / 60) % 60, units.m],
    [whole % 60, units.s],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return `0${units.s}`;
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(' ');
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

function renderLinks({ annotations, generatorURL }: Alert, words: Texts): string[] {
  const links = [
    [words.runbook, annotations['runbook_url']],
    [words.dashboard, annotations['dashboard_url']],
    [words.query, generatorURL],
  ].flatMap(([name, url = '']) => {
    if (!/^https?:/.test(url) || url.length > maxLinkCharacters) return [];
    // A closing parenthesis would end the markdown link.
    return [`[${name}](${url.replaceAll('(', '%28').replaceAll(')', '%29')})`];
  });
  return links.length > 0 ? [`- ${links.join(' · ')}`] : [];
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

/**
 * The message as markdown of at most `maxBytes`, counted as JSON writes it in UTF-8. Sections are left out whole, so
 * that no character and no link is cut; how many is said.
 */
export function fitMarkdown({ title, sections, more }: Message, maxBytes: number): string {
  const shown = [`### ${title}`];
  let bytes = sizeOf(shown.join()) + sizeOf(more(sections.length));
  for (const section of sections) {
    bytes += sizeOf(section);
    if (bytes > maxBytes) break;
    shown.push(section);
  }
  const left = sections.length - (shown.length - 1);
  return [...shown, ...(left > 0 ? [more(left)] : [])].join('\n\n');
}

function sizeOf(part: string): number {
  return Buffer.byteLength(JSON.stringify(`\n\n${part}`));
}
