/** What `make up` and `make status` print: tables, the model in use, and what to try next. */
import { relative } from 'node:path';
import { jobs } from '../otel/names.ts';
import { messages, say } from './messages.ts';
import type { ModelCard } from './model.ts';

/** Those of the article. */
export const fourQueries = [
  `sum(rate(http_requests_total{job="${jobs.chat}"}[5m])) by (status_code)`,
  `histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{job="${jobs.chat}"}[5m])) by (le))`,
  'rate(model_inference_duration_seconds_sum[5m]) / rate(model_inference_duration_seconds_count[5m])',
  `process_resident_memory_bytes{job="${jobs.chat}"}`,
];

/** A path as a person in the checkout types it. */
export function shown(root: string, path: string): string {
  const short = relative(root, path);
  return short.startsWith('..') ? path : short;
}

/** Rows under the keys of the first one, columns as wide as they must be. */
export function showTable(rows: Record<string, string>[]): void {
  const columns = Object.keys(rows[0] ?? {});
  const lines = [columns, ...rows.map((row) => columns.map((column) => row[column] ?? ''))];
  const widths = columns.map((_, at) => Math.max(...lines.map((line) => line[at]?.length ?? 0)));
  for (const line of lines) {
    console.log(`  ${line.map((cell, at) => cell.padEnd(widths[at] ?? 0)).join('  ')}`.trimEnd());
  }
}

/** `2h 5m`: the two largest units. */
export function age(since: string): string {
  const seconds = Math.max(0, Math.round((Date.now() - Date.parse(since)) / 1000));
  const parts = [
    [Math.floor(seconds / 86_400), 'd'],
    [Math.floor(seconds / 3600) % 24, 'h'],
    [Math.floor(seconds / 60) % 60, 'm'],
    [seconds % 60, 's'],
  ] as const;
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return '0s';
  return parts
    .slice(first, first + 2)
    .map(([count, unit]) => `${count}${unit}`)
    .join(' ');
}

export function showModel(model: ModelCard | undefined): void {
  if (model === undefined) return say(messages.notReady());
  say(model.demo ? messages.servingDemo() : messages.serving(`${model.title} (${model.id})`));
}

export async function showNextSteps(urls: Record<string, string>): Promise<void> {
  const graphs = fourQueries.map((query, at) => {
    return `g${at}.expr=${encodeURIComponent(query)}&g${at}.tab=0&g${at}.range_input=15m`;
  });
  say(messages.tryNext());
  console.log(`  ${urls['chat']}
  make chat Q="Hello"
  curl -N ${urls['chat']}/chat -d '{"prompt":"Hello"}'
  curl ${urls['notifier']}/api/notifications
  make status    make logs    make logs NAME=chat    make down`);
  say(messages.fourQueries());
  console.log(`  ${await graphPage(urls['prometheus'] ?? '')}?${graphs.join('&')}`);
}

/** Debian 13's Prometheus has its page under /classic alone. */
async function graphPage(prometheus: string): Promise<string> {
  const page = `${prometheus}/graph`;
  const found = await fetch(page).then(
    ({ ok }) => ok,
    () => true,
  );
  return found ? page : `${prometheus}/classic/graph`;
}
