/** Delivers one channel's notifications, one call at a time, until each is delivered or dead. `main.ts` starts one per channel. */
import type { Tracer } from '@opentelemetry/api';
import type { Logger } from '../../../otel/logger.ts';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Channel, Delivery } from '../channels/channel.ts';
import type { Attempt } from '../metrics.ts';
import { createComposer } from '../message/compose.ts';
import type { Composer } from '../message/compose.ts';
import type { MessageOptions } from '../message/message.ts';
import type { Route } from '../routes.ts';
import { traceAttempt, traceIdOf } from '../traces.ts';
import { giveUp, maxRefusals } from './give-up.ts';
import type { Due, Notification, Notifications, Outbox } from './outbox.ts';
import { createRateLimit } from './rate-limit.ts';
import type { RateLimit } from './rate-limit.ts';

export interface WorkerOptions {
  channel: Channel;
  outbox: Outbox;
  message: MessageOptions;
  /** For the templates of routes. */
  routes?: readonly Route[];
  tracer: Tracer;
  /** Called after every attempt. */
  onDelivery: (attempt: Attempt) => void;
  /** Called with notifications that are dead for good, for a message on the other channels. */
  onDead?: (notifications: Notifications, detail: string) => void;
  log: Logger;
  clock?: Clock;
  /** Returns a number in [0, 1) for the jitter of the backoff. */
  random?: () => number;
  /** A notification becomes dead if it has failed for longer than this. */
  expirySeconds?: number;
}

export type Worker = ReturnType<typeof startWorker>;

interface State extends Required<Omit<WorkerOptions, 'onDead'>> {
  onDead: WorkerOptions['onDead'];
  compose: Composer;
  /** Notices that were logged. */
  noticed: Set<string>;
  limit: RateLimit;
  /** Aborted by `stop`: ends the loop. */
  stopping: AbortSignal;
  /** Aborted when the grace period of `stop` is over: ends the running call. */
  giveUp: AbortSignal;
  /** Aborted by `wake` and `stop`: ends the current sleep. Each iteration of the loop creates a new controller. */
  alarm: AbortController;
}

const firstRetrySeconds = 1;
const maxRetrySeconds = 300;
/** The longest wait that a receiver may ask for: a proxy's `Retry-After` of a year must not silence a channel. */
const maxAskedSeconds = 3600;
const maxSleepMillis = 60_000;
/** Wait before a failed write is repeated. Until the outcome is stored, the worker sends nothing, because that would repeat the message. */
const diskRetryMillis = 1000;

export function startWorker(options: WorkerOptions) {
  const { channel, outbox, clock = systemClock, routes = [] } = options;
  const stopping = new AbortController();
  const giveUp = new AbortController();
  const state: State = {
    random: Math.random,
    expirySeconds: 3 * 86_400,
    onDead: undefined,
    noticed: new Set(),
    ...options,
    routes,
    clock,
    compose: createComposer(channel, routes, options.message),
    limit: createRateLimit(channel, outbox.calls, clock),
    stopping: stopping.signal,
    giveUp: giveUp.signal,
    alarm: new AbortController(),
  };
  const running = run(state);
  return {
    /** Tells the worker that there may be new notifications. */
    wake: () => state.alarm.abort(),
    /** Starts no new attempt, and aborts a running attempt after `graceMillis`. Notifications without an outcome stay pending. */
    async stop(graceMillis: number): Promise<void> {
      stopping.abort();
      state.alarm.abort();
      const timer = setTimeout(() => giveUp.abort(), graceMillis);
      await running;
      clearTimeout(timer);
      channel.close?.();
    },
  };
}

async function run(state: State): Promise<void> {
  const { channel, outbox, clock, log, limit, stopping } = state;
  while (!stopping.aborted) {
    state.alarm = new AbortController();
    try {
      const wait = limit.waitMillis();
      const [first, ...rest] = wait === 0 ? takeNext(state) : [];
      if (first !== undefined) {
        await attempt(state, [first, ...rest]);
        continue;
      }
      const dueAt = outbox.nextDueAt(channel.name) ?? Number.POSITIVE_INFINITY;
      const sleep = wait || Math.max(0, dueAt - clock.now());
      await clock.sleep(Math.min(sleep, maxSleepMillis), state.alarm.signal);
    } catch (error) {
      log.error({ channel: channel.name, err: error }, 'cannot use the outbox; will retry');
      await clock.sleep(diskRetryMillis, stopping);
    }
  }
}

function takeNext({ channel, outbox, clock, limit }: State): Notification[] {
  const now = clock.now();
  const { ids, isNewDigest } = chooseNext(outbox.due(channel.name, now), limit.callsLeft());
  if (isNewDigest) outbox.joinDigest(ids);
  return outbox.read(ids);
}

/**
 * The notifications of the next call: a digest that was attempted before; else the first notification, or a digest of all due
 * notifications if the rate limit does not allow one call for each.
 */
export function chooseNext(
  due: readonly Due[],
  callsLeft: number,
): { ids: number[]; isNewDigest: boolean } {
  const [first] = due;
  if (first === undefined) return { ids: [], isNewDigest: false };
  const begun = due.find(({ digestId }) => digestId !== null)?.digestId;
  if (begun !== undefined) {
    const ids = due.filter(({ digestId }) => digestId === begun).map(({ id }) => id);
    return { ids, isNewDigest: false };
  }
  const together = due.filter(({ isAlone }) => isAlone === 0).map(({ id }) => id);
  const isNewDigest = first.isAlone === 0 && together.length > 1 && due.length > callsLeft;
  return { ids: isNewDigest ? together : [first.id], isNewDigest };
}

/** Makes one call to the channel, logs it, and stores the outcome. */
async function attempt(state: State, notifications: Notifications): Promise<void> {
  const { clock, limit, onDead, outbox, random, tracer } = state;
  const startedAt = clock.elapsed();
  limit.callStarted();
  const { delivery, title, failures } = await traceAttempt(tracer, notifications, async () => {
    const sent = await send(state, notifications);
    return { ...sent, delivery: giveUp(state, notifications, sent.delivery) };
  });
  const now = clock.now();
  limit.callEnded();
  const attempts = notifications[0].attempts + 1;
  const isSplit = isRefusedDigest(notifications, delivery);
  report(state, notifications, delivery, {
    isSplit,
    title,
    failures,
    attempts,
    duration_ms: Math.round(clock.elapsed() - startedAt),
  });
  const asked = delivery.kind === 'retry' ? delivery.afterSeconds : 0;
  const askedMillis = Math.min(asked, maxAskedSeconds) * 1000;
  const nextAttemptAt = Math.round(now + Math.max(askedMillis, backoffMillis(attempts, random)));
  const ids = notifications.map(({ id }) => id);
  // Each write is repeated by itself, or a failure of the second one would count the attempt again.
  await untilWritten(state, () => outbox.settle(ids, delivery, now, nextAttemptAt, isSplit));
  if (delivery.kind === 'retry' && delivery.reason === 'rate_limited') {
    await untilWritten(state, () => limit.block(nextAttemptAt - now));
  }
  if (delivery.kind === 'dead' && !isSplit) {
    await untilWritten(state, () => onDead?.(notifications, delivery.detail));
  }
}

/** A digest whose halves are sent by themselves, so that the text of one alert does not prevent the delivery of the others. */
function isRefusedDigest(notifications: Notifications, delivery: Delivery): boolean {
  if (notifications.length === 1) return false;
  if (delivery.kind === 'dead') return delivery.reason === 'refused';
  const isRefusal = delivery.kind === 'retry' && delivery.isRefusal === true;
  return isRefusal && notifications[0].refusals + 1 >= maxRefusals;
}

/** Backoff: doubles from 1 s to 5 min. Jitter subtracts up to half, so that retries of simultaneous failures are spread out. */
export function backoffMillis(attempts: number, random: () => number): number {
  const seconds = Math.min(maxRetrySeconds, firstRetrySeconds * 2 ** (attempts - 1));
  return seconds * 1000 * (0.5 + random() / 2);
}

async function send(
  { channel, compose, giveUp }: State,
  notifications: Notifications,
): Promise<{ delivery: Delivery; title: string; failures: string[] }> {
  const { queuedAt, id, progress } = notifications[0];
  const suffix = notifications.length > 1 ? '-digest' : '';
  const call = { id: `llamascope-${queuedAt}-${id}${suffix}`, progress, signal: giveUp };
  let [title, failures]: [string, string[]] = ['', []];
  try {
    const composed = compose(notifications);
    [title, failures] = [composed.message.title, composed.failures];
    return { delivery: await channel.deliver(composed.message, call), title, failures };
  } catch (error) {
    // A bug in the channel. Store only the name of the error, because its message may contain a secret.
    const detail = `${error instanceof Error ? error.name : 'Error'} in channel ${channel.name}`;
    const reason = 'unexpected_answer';
    return { delivery: { kind: 'retry', reason, afterSeconds: 0, detail }, title, failures };
  }
}

const logLines = {
  delivered: ['info', 'notification delivered'],
  partial: ['info', 'part of a notification delivered'],
  retry: ['warn', 'notification not delivered; will retry'],
  split: ['warn', 'digest refused; will send its halves'],
  dead: ['error', 'notification not delivered; giving up'],
} as const;

interface Facts {
  isSplit: boolean;
  title: string;
  failures: string[];
  attempts: number;
  duration_ms: number;
}

function report(
  state: State,
  notifications: Notifications,
  delivery: Delivery,
  { isSplit, failures, ...more }: Facts,
): void {
  const { channel, clock, log, onDelivery } = state;
  const { name } = channel;
  const [{ id, traceparent, receivedAt }] = notifications;
  const count = notifications.length;
  const seen = { failures: failures.length, seconds: more.duration_ms / 1000 };
  // Notifications of a digest that is split are not dead yet.
  const ended = isSplit && delivery.kind === 'dead' ? [] : notifications;
  onDelivery({ channel: name, delivery, notifications: ended, ...seen });
  const { kind, ...facts } = delivery;
  if ('notice' in delivery && delivery.notice !== undefined) logOnce(state, delivery.notice);
  for (const failure of failures) logOnce(state, `${failure}; the built-in text was sent`);
  const digest = count > 1 ? { digest_of: count } : {};
  const about = { notification: id, ...digest, channel: name, trace_id: traceIdOf(traceparent) };
  const [level, sentence] = logLines[isSplit ? 'split' : kind];
  log[level]({ ...about, ...more, age_ms: clock.now() - receivedAt, ...facts }, sentence);
}

/** Logs a notice at its first time, such as that a mention was refused. */
function logOnce({ channel, log, noticed }: State, notice: string): void {
  if (!noticed.has(notice)) log.warn({ channel: channel.name }, notice);
  noticed.add(notice);
}

/** Repeats a write until it succeeds or the worker is stopped. In the second case the notification stays pending and is sent again. */
async function untilWritten(
  { channel, clock, log, stopping }: State,
  write: () => void,
): Promise<void> {
  for (;;) {
    try {
      return write();
    } catch (error) {
      log.error({ channel: channel.name, err: error }, 'cannot write to the outbox; will retry');
    }
    if (stopping.aborted) return;
    await clock.sleep(diskRetryMillis, stopping);
  }
}
