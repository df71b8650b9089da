/** The output of `make up` and `make status`: a table, the model and the next steps. Used in both modes. */
import { relative } from 'node:path';
import { jobs } from '../otel/names.ts';
import { formatDuration } from '../src/kit/duration.ts';
import { formatTable } from '../src/kit/table.ts';
import { ago, columns, durationUnits, messages } from './messages.ts';
import { waitForModels } from './model.ts';
import { localize, say } from './terminal.ts';

/** The queries of the articles that the project answers. */
export const fourQueries = [
  `sum(rate(http_requests_total{job="${jobs.chat}"}[5m])) by (status_code)`,
  `histogram_quantile(0.95, sum(rate(http_request_duration_seconds_bucket{job="${jobs.chat}"}[5m])) by (le))`,
  'rate(model_inference_duration_seconds_sum[5m]) / rate(model_inference_duration_seconds_count[5m])',
  `process_resident_memory_bytes{job="${jobs.chat}"}`,
];

/** The path relative to the checkout, as a person would type it. */
export function shortPath(root: string, path: string): string {
  const short = relative(root, path);
  return short.startsWith('..') ? path : short;
}

type Row = Partial<Record<keyof typeof columns, string>>;

/** The columns are the keys of the first row. */
export function showTable(rows: Row[]): void {
  const keys = Object.keys(rows[0] ?? {}) as (keyof Row)[];
  const heads = keys.map((key) => localize(columns[key]));
  const lines = [heads, ...rows.map((row) => keys.map((key) => row[key] ?? ''))];
  console.log(formatTable(lines));
}

/** The columns of `make status` for one process or container. */
export function describeLife(life: {
  /** ISO 8601; undefined while it does not run. */
  since: string | undefined;
  restarts: number;
  lastExit: { at: string; how: string | undefined } | undefined;
}): Pick<Row, 'upFor' | 'restarts' | 'lastExit'> {
  const { since, restarts, lastExit } = life;
  const exit = lastExit && [lastExit.how, localize(ago(age(lastExit.at)))].filter(Boolean);
  return {
    upFor: since === undefined ? '-' : age(since),
    restarts: String(restarts),
    lastExit: exit?.join(', ') ?? '-',
  };
}

function age(since: string): string {
  return formatDuration((Date.now() - Date.parse(since)) / 1000, localize(durationUnits));
}

/**
 * The end of `make up`: waits for the models, then prints the processes with their addresses, and the next steps.
 * @param readRows Called after the models are ready, because a process may restart meanwhile.
 * @returns The exit code: 1 when a model is not ready in time.
 */
export async function showRunning(
  urls: Record<string, string>,
  readRows: () => Row[],
): Promise<number> {
  const chats = Object.keys(urls).filter((name) => name.startsWith('chat'));
  const model = await waitForModels(chats.map((name) => urls[name] ?? ''));
  showTable(readRows());
  if (model === undefined) say(messages.notReady());
  else say(model.demo ? messages.servingDemo() : messages.serving(`${model.title} (${model.id})`));
  await showNextSteps(urls);
  return model === undefined ? 1 : 0;
}

async function showNextSteps(urls: Record<string, string>): Promise<void> {
  const graphs = fourQueries.map((query, at) => {
    return `g${at}.expr=${encodeURIComponent(query)}&g${at}.tab=0&g${at}.range_input=15m`;
  });
  say(messages.tryNext());
  const prompt = localize({ en: 'Hello', zh: '你好' });
  console.log(`  ${urls['chat']}
  make chat Q="${prompt}"
  curl -N ${urls['chat']}/chat -d '{"prompt":"${prompt}"}'
  curl ${urls['notifier']}/api/notifications
  make status    make logs    make logs NAME=chat    make down`);
  say(messages.fourQueries());
  console.log(`  ${await graphPage(urls['prometheus'] ?? '')}?${graphs.join('&')}`);
}

/** Debian 13's Prometheus serves its page only under /classic. */
async function graphPage(prometheus: string): Promise<string> {
  const page = `${prometheus}/graph`;
  const exists = await fetch(page).then(
    ({ ok }) => ok,
    () => true,
  );
  return exists ? page : `${prometheus}/classic/graph`;
}
