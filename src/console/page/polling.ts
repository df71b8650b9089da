/**
 * Polls paths of the service for all views. Two views of one path share its requests. A request has a time limit, failures are
 * repeated with backoff, hidden tabs rest, and a value that is older than it should be is marked as stale.
 */
import { useCallback, useEffect, useState } from 'preact/hooks';
import { getJson, type Failure, type Result } from './client.ts';
import { firstRetrySeconds, secondsUntilNext } from './polling-delay.ts';

export interface Polled<Value> {
  /** The last successful answer, kept when a later request fails. */
  value?: Value;
  /** Why the last request failed. */
  failure?: Failure;
  /** When `value` arrived, in epoch milliseconds of the browser. */
  receivedAt?: number;
  /** Whether `value` is older than it should be: it must not be shown as the present state. */
  isStale: boolean;
  /** Polls now. */
  reload: () => void;
}

type State = Omit<Polled<unknown>, 'reload'>;

interface Subscriber {
  /** From an answer to the next request; 0: read once. */
  seconds: number;
  redraw: () => void;
}

interface Poller {
  readonly path: string;
  readonly subscribers: Set<Subscriber>;
  state: State;
  failures: number;
  timer: ReturnType<typeof setTimeout> | undefined;
  /** The running request. */
  running: AbortController | undefined;
}

/** A value is stale if two polls are missing. */
const missedPolls = 2;
/** Last values of paths that no view shows are kept, so that going back shows them at once. */
const keptPollers = 60;

const pollers = new Map<string, Poller>();

/** @param path undefined: no request @param seconds from an answer to the next request; 0: read once */
export function usePolled<Value>(path: string | undefined, seconds: number): Polled<Value> {
  const [, redraw] = useState({});
  useEffect(() => {
    if (path === undefined) return undefined;
    return subscribe(pollerOf(path), { seconds, redraw: () => redraw({}) });
  }, [path, seconds]);
  const reload = useCallback(() => {
    if (path !== undefined) poll(pollerOf(path));
  }, [path]);
  const { state } = path === undefined ? { state: { isStale: false } } : pollerOf(path);
  return { ...(state as Omit<Polled<Value>, 'reload'>), reload };
}

function pollerOf(path: string): Poller {
  const known = pollers.get(path);
  if (known !== undefined) return known;
  const poller: Poller = {
    path,
    subscribers: new Set(),
    state: { isStale: false },
    failures: 0,
    timer: undefined,
    running: undefined,
  };
  pollers.set(path, poller);
  return poller;
}

function subscribe(poller: Poller, subscriber: Subscriber): () => void {
  // Another view may have forgotten it since this one was rendered.
  pollers.set(poller.path, poller);
  poller.subscribers.add(subscriber);
  markOld(poller);
  poll(poller);
  return () => {
    poller.subscribers.delete(subscriber);
    if (poller.subscribers.size > 0) return;
    clearTimeout(poller.timer);
    poller.running?.abort();
    poller.running = undefined;
    forgetUnused();
  };
}

function forgetUnused(): void {
  const unused = [...pollers.values()].filter(({ subscribers }) => subscribers.size === 0);
  for (const { path } of unused.slice(0, Math.max(0, pollers.size - keptPollers))) {
    pollers.delete(path);
  }
}

/**
 * A browser opens six connections to a service. Answers that stream need some, and a request that waits for a connection would use up
 * its time limit.
 */
const mostRunning = 4;
let running = 0;
const waiting = new Set<Poller>();

function poll(poller: Poller): void {
  clearTimeout(poller.timer);
  if (poller.running !== undefined || poller.subscribers.size === 0 || document.hidden) return;
  waiting.add(poller);
  pollWaiting();
}

/** Paths that are asked for most often come first. */
function pollWaiting(): void {
  for (const poller of [...waiting].toSorted(byUrgency)) {
    if (running >= mostRunning) return;
    waiting.delete(poller);
    if (poller.subscribers.size > 0) void read(poller);
  }
}

function byUrgency(one: Poller, other: Poller): number {
  return Math.max(...wantedSeconds(one)) - Math.max(...wantedSeconds(other));
}

async function read(poller: Poller): Promise<void> {
  const control = new AbortController();
  poller.running = control;
  running += 1;
  const result = await getJson<unknown>(poller.path, control.signal).catch(() => undefined);
  running -= 1;
  if (result !== undefined && !control.signal.aborted) {
    poller.running = undefined;
    receive(poller, result);
  }
  pollWaiting();
}

function receive(poller: Poller, result: Result<unknown>): void {
  const wasFailing = poller.failures > 0;
  if (result.ok) {
    poller.failures = 0;
    update(poller, { value: result.value, receivedAt: Date.now(), isStale: false });
    if (wasFailing) pollFailed();
  } else {
    poller.failures += 1;
    update(poller, { ...poller.state, failure: result.failure, isStale: hasValue(poller) });
  }
  const seconds = secondsUntilNext({
    failures: poller.failures,
    wantedSeconds: wantedSeconds(poller),
    retryAfterSeconds: poller.state.failure?.retryAfterSeconds,
  });
  if (seconds > 0) poller.timer = setTimeout(() => poll(poller), seconds * 1000);
}

function update(poller: Poller, state: State): void {
  poller.state = state;
  for (const { redraw } of poller.subscribers) redraw();
}

function wantedSeconds({ subscribers }: Poller): number[] {
  return [...subscribers].map(({ seconds }) => seconds);
}

function hasValue({ state }: Poller): boolean {
  return state.receivedAt !== undefined;
}

/** After a rest, before the next answer. */
function markOld(poller: Poller): void {
  const { receivedAt, isStale } = poller.state;
  if (receivedAt === undefined || isStale) return;
  const freshSeconds = missedPolls * Math.max(firstRetrySeconds, ...wantedSeconds(poller));
  if (Date.now() - receivedAt > freshSeconds * 1000)
    update(poller, { ...poller.state, isStale: true });
}

/** One answer after failures means that the service is back, so the other paths need not wait for their retry. */
function pollFailed(): void {
  for (const poller of pollers.values()) if (poller.failures > 0) poll(poller);
}

function pollAgain(): void {
  for (const poller of pollers.values()) {
    const readsAgain = Math.max(...wantedSeconds(poller)) > 0;
    if (readsAgain || !hasValue(poller)) poll(poller);
  }
}

addEventListener('online', pollFailed);
// Says at once that values are not up to date. A service on this machine still answers.
addEventListener('offline', pollAgain);
document.addEventListener('visibilitychange', () => {
  if (document.hidden) return;
  for (const poller of pollers.values()) markOld(poller);
  pollAgain();
});
