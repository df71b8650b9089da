/** A webhook as a person on call wants to read it: what broke, since when, what it says, where to look. */
import type { Alert, Webhook } from './webhook.ts';

export type Locale = 'zh-CN' | 'en';

export interface Message {
  title: string;
  /** Markdown, the subset that all robots draw. */
  text: string;
}

const words = {
  en: {
    firing: 'Firing',
    resolved: 'Resolved',
    since: 'Since',
    lasted: 'Lasted',
    runbook: 'Runbook',
    dashboard: 'Dashboard',
    more: 'more',
  },
  'zh-CN': {
    firing: '告警',
    resolved: '已恢复',
    since: '开始于',
    lasted: '持续',
    runbook: '处理手册',
    dashboard: '看板',
    more: '条更多',
  },
} as const;

/** At most this many alerts are told one by one; a longer message would not be read on a phone. */
const mostAlerts = 10;

export function toMessage(
  webhook: Webhook,
  options: { locale: Locale; timeZone: string },
): Message {
  const word = words[options.locale];
  const names = [...new Set(webhook.alerts.map(({ labels }) => labels['alertname'] ?? '?'))];
  const mark = webhook.status === 'firing' ? '🔥' : '✅';
  const title = `${mark} ${word[webhook.status]}: ${names.join(', ')}`;
  const shown = webhook.alerts.slice(0, mostAlerts).map((alert) => describe(alert, options));
  const hidden = webhook.alerts.length - shown.length + webhook.truncatedAlerts;
  const rest = hidden > 0 ? [`+ ${hidden} ${word.more}`] : [];
  return { title, text: [`### ${title}`, ...shown, ...rest].join('\n\n') };
}

function describe(
  alert: Alert,
  { locale, timeZone }: { locale: Locale; timeZone: string },
): string {
  const word = words[locale];
  const severity = alert.labels['severity'];
  const where = alert.labels['instance'] ?? alert.labels['job'];
  const lines = [`**${annotation(alert, 'summary', locale)}**${severity ? ` (${severity})` : ''}`];
  if (where !== undefined) lines.push(where);
  // The text of a resolved alert still holds the value of its firing: it would read as if it were the value now.
  if (alert.status === 'firing') {
    const description = annotation(alert, 'description', locale);
    if (description !== '') lines.push(description);
    lines.push(`${word.since} ${formatTime(alert.startsAt, locale, timeZone)}`);
  } else {
    lines.push(
      `${word.lasted} ${formatDuration(Date.parse(alert.endsAt) - Date.parse(alert.startsAt))}`,
    );
  }
  const links = (['runbook', 'dashboard'] as const).flatMap((kind) => {
    const url = alert.annotations[`${kind}_url`];
    return url ? [`[${word[kind]}](${url})`] : [];
  });
  if (links.length > 0) lines.push(links.join(' · '));
  return lines.join('  \n');
}

/** `summary_zh` where the reader reads Chinese and the rule has one. */
function annotation(alert: Alert, name: string, locale: Locale): string {
  const translated = locale === 'zh-CN' ? alert.annotations[`${name}_zh`] : undefined;
  return translated ?? alert.annotations[name] ?? alert.labels['alertname'] ?? '';
}

function formatTime(time: string, locale: Locale, timeZone: string): string {
  const style = { dateStyle: 'medium', timeStyle: 'medium', timeZone, hour12: false } as const;
  return new Date(time).toLocaleString(locale, style);
}

function formatDuration(milliseconds: number): string {
  if (!Number.isFinite(milliseconds) || milliseconds < 0) return '-';
  const seconds = Math.round(milliseconds / 1000);
  const parts = [
    [Math.floor(seconds / 3600), 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const told = parts.filter(([count]) => count > 0).map(([count, unit]) => `${count}${unit}`);
  return told.length === 0 ? '0s' : told.join(' ');
}
