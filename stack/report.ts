/** The output of `make up` and `make status`: a table, the model and the next steps. Used in both modes. */
import { relative } from 'node:path';
import { formatDuration } from '../src/kit/duration.ts';
import { formatTable } from '../src/kit/table.ts';
import { ago, columns, durationUnits, healthTexts, messages } from './messages.ts';
import { stateTexts } from '../otel/text.ts';
import { waitForModels, type Readiness } from './model.ts';
import { localize, print, say } from './terminal.ts';

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
  print(formatTable(lines));
}

/** The columns of `make status` for one process or container. */
export function describeLife(life: {
  /** ISO 8601; undefined while it does not run. */
  since: string | undefined;
  restarts: number;
  lastExit: { at: string; how: string | undefined } | undefined;
}): Record<'upFor' | 'restarts' | 'lastExit', string> {
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
 * @returns The exit code: 1 when a model cannot be loaded, or is not ready in time.
 */
export async function showRunning(
  urls: Record<string, string>,
  readRows: () => Row[],
): Promise<number> {
  const chats = Object.entries(urls).filter(([name]) => name.startsWith('chat'));
  const outcome = await waitForModels(Object.fromEntries(chats));
  showTable(readRows());
  if (outcome.kind === 'failed') say(messages.modelFailed(outcome.name, outcome.reason));
  if (outcome.kind === 'late') say(messages.notReady());
  if (outcome.kind === 'unreachable') say(messages.noBackend(outcome.name, outcome.reason));
  if (outcome.kind !== 'ready') return 1;
  const { demo, title, id } = outcome.model;
  if (outcome.isBackend) say(messages.forwarding(id));
  else say(demo ? messages.servingDemo() : messages.serving(`${title} (${id})`));
  showNextSteps(urls, outcome.isBackend ? id : undefined);
  return 0;
}

/** @param backendModel the model to name in a request that is forwarded */
function showNextSteps(urls: Record<string, string>, backendModel?: string): void {
  const chat = urls['chat'] ?? '';
  const prompt = localize({ en: 'Hello', zh: '你好' });
  const forwarded = { model: backendModel, messages: [{ role: 'user', content: prompt }] };
  const curl =
    backendModel === undefined
      ? `${chat}/chat -d '{"prompt":"${prompt}"}'`
      : `${chat}/v1/chat/completions -H 'content-type: application/json' -d '${JSON.stringify(forwarded)}'`;
  say(messages.openPage(chat));
  say(messages.tryNext());
  print(`  make chat Q="${prompt}"
  curl -N ${curl}
  curl ${urls['notifier']}/api/notifications
  make status    make logs    make logs NAME=chat    make down`);
}

/**
 * The state of a chat service for `make status`: the process may be healthy while its engine is not.
 * @param health of the process
 */
export function describeReadiness(
  health: string,
  readiness: Readiness | undefined,
): { state: string; queue: string; threads: string; engineRestarts: string } {
  const queue = readiness?.queue;
  const isServing = readiness === undefined || readiness.status === 'ready';
  return {
    state: localize(
      isServing
        ? (healthTexts[health] ?? { en: health, zh: health })
        : stateTexts[readiness.status],
    ),
    queue: queue === undefined ? '-' : `${queue.depth}/${queue.limit}`,
    threads: String(readiness?.threads ?? '-'),
    engineRestarts: String(readiness?.restarts ?? '-'),
  };
}

/** Prints why a chat service is not ready, one line for each. */
export function showCauses(readiness: ReadonlyMap<string, Readiness | undefined>): void {
  for (const [name, answer] of readiness) {
    if (answer?.reason === undefined) continue;
    const { status, reason } = answer;
    if (answer.backend === true) say(messages.noBackend(name, reason));
    else if (status === 'failed') say(messages.modelFailed(name, reason));
    else say(messages.engineEnded(name, reason));
  }
}
