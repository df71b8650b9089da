/** Delivers one channel's notifications, one call at a time, until each is delivered or dead. `main.ts` starts one a channel. */
import type { Logger } from '../../../otel/logger.ts';
import { systemClock } from '../clock.ts';
import type { Clock } from '../clock.ts';
import type { Channel, Delivery } from '../channels/delivery.ts';
import type { Message } from '../message/message.ts';
import type { Notification, Outbox } from './outbox.ts';
import { createRateLimit } from './rate-limit.ts';

export interface WorkerOptions {
  channel: Channel;
  outbox: Outbox;
  /** One notification in full, or several as a digest. */
  render: (notifications: readonly Notification[]) => Message;
  /** Wraps every attempt: the trace. */
  trace?: (
    notifications: readonly Notification[],
    attempt: () => Promise<Delivery>,
  ) => Promise<Delivery>;
  /** Told of every attempt, with how many notifications it was for. */
  onDelivery: (channel: string, delivery: Delivery, count: number) => void;
  log: Logger;
  clock?: Clock;
  /** In [0, 1): spreads retries. */
  random?: () => number;
  /** After so long without success a notification is dead. */
  expirySeconds?: number;
}

export interface Worker {
  /** There may be something new. */
  wake(): void;
  /** Takes nothing new and gives the running attempt so long to end; what is left stays pending. */
  stop(graceMillis: number): Promise<void>;
}

const firstRetrySeconds = 1;
const longestRetrySeconds = 300;
const longestSleepMillis = 60_000;
/** The disk refused what became of a delivery: until it takes it, sending again would repeat the message. */
const diskRetryMillis = 1000;

/** Doubles from 1 s to 5 min, between half and all of it, so that what failed together does not return together. */
export function backoffMillis(attempts: number, random: () => number): number {
  const seconds = Math.min(longestRetrySeconds, firstRetrySeconds * 2 ** (attempts - 1));
  return seconds * 1000 * (0.5 + random() / 2);
}

export function startWorker({
  channel,
  outbox,
  render,
  trace = (_, attempt) => attempt(),
  onDelivery,
  log,
  clock = systemClock,
  random = Math.random,
  expirySeconds = 3 * 86_400,
}: WorkerOptions): Worker {
  const { name, rates = [] } = channel;
  const window = Math.max(0, ...rates.map(({ perSeconds }) => perSeconds));
  const recent = outbox.callsSince(name, clock.now() - window * 1000);
  const limit = createRateLimit(rates, recent, outbox.pausedUntil(name));
  const stopping = new AbortController();
  const abort = new AbortController();
  let alarm = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      alarm = new AbortController();
      try {
        const wait = limit.waitMillis(clock.now());
        const ids = wait === 0 ? chooseNext() : [];
        if (ids.length > 0) await attempt(outbox.read(ids));
        else await clock.sleep(Math.min(wait || untilDue(), longestSleepMillis), alarm.signal);
      } catch (error) {
        log.error({ channel: name, err: error }, 'the outbox cannot be used; trying again');
        await clock.sleep(diskRetryMillis, stopping.signal);
      }
    }
  }

  function untilDue(): number {
    const at = outbox.nextDueAt(name);
    return at === undefined ? longestSleepMillis : Math.max(0, at - clock.now());
  }

  /** The first that is due; a digest of all, when the robot's rate has no room for each of them. */
  function chooseNext(): number[] {
    const due = outbox.due(name, clock.now());
    const begun = due.find(({ digestId }) => digestId !== null)?.digestId;
    if (begun !== undefined) {
      return due.filter(({ digestId }) => digestId === begun).map(({ id }) => id);
    }
    const [first] = due;
    if (first === undefined) return [];
    const together = due.filter(({ isAlone }) => isAlone === 0).map(({ id }) => id);
    if (first.isAlone === 1 || together.length < 2 || due.length <= limit.left(clock.now())) {
      return [first.id];
    }
    outbox.join(together);
    return together;
  }

  async function attempt(notifications: Notification[]): Promise<void> {
    const [first] = notifications;
    if (first === undefined) return;
    const startedAt = clock.now();
    if (rates.length > 0) outbox.noteCall(name, startedAt);
    const message = { title: '' };
    const delivery = await trace(notifications, () => send(notifications, message));
    const now = clock.now();
    limit.note(now);
    const attempts = first.attempts + 1;
    const asked = delivery.kind === 'retry' ? delivery.afterSeconds * 1000 : 0;
    const nextAttemptAt = Math.round(now + Math.max(asked, backoffMillis(attempts, random)));
    tell(notifications, delivery, { ...message, attempts, duration_ms: now - startedAt });
    await persist(() => {
      outbox.settle(
        notifications.map(({ id }) => id),
        delivery,
        now,
        nextAttemptAt,
      );
      const isBlock = delivery.kind === 'retry' && delivery.reason === 'rate_limited';
      if (isBlock) {
        limit.pauseUntil(nextAttemptAt);
        outbox.pause(name, nextAttemptAt);
      }
      const isRefused = delivery.kind === 'dead' && delivery.reason === 'refused';
      if (isRefused && first.digestId !== null && notifications.length > 1)
        outbox.part(first.digestId, now);
    });
  }

  async function send(notifications: Notification[], note: { title: string }): Promise<Delivery> {
    const [first] = notifications;
    const call = {
      id: `llamascope-${first?.queuedAt}-${first?.id}${notifications.length > 1 ? '-digest' : ''}`,
      progress: first?.progress ?? null,
      signal: abort.signal,
    };
    try {
      const message = render(notifications);
      note.title = message.title;
      return expire(notifications, await channel.deliver(message, call));
    } catch (error) {
      // A fault of ours; its message may hold anything, so only its kind is told.
      const detail = `${error instanceof Error ? error.name : 'Error'} in channel ${name}`;
      const reason = 'unexpected_answer';
      return expire(notifications, { kind: 'retry', reason, afterSeconds: 0, detail });
    }
  }

  function expire(notifications: Notification[], delivery: Delivery): Delivery {
    const newest = Math.max(...notifications.map(({ queuedAt }) => queuedAt));
    const isOver = clock.now() - newest > expirySeconds * 1000;
    if (delivery.kind !== 'retry' || !isOver) return delivery;
    return { kind: 'dead', reason: 'expired', detail: delivery.detail };
  }

  function tell(
    notifications: Notification[],
    delivery: Delivery,
    more: { title: string; attempts: number; duration_ms: number },
  ): void {
    const [first] = notifications;
    const count = notifications.length;
    onDelivery(name, delivery, count);
    const { kind, ...facts } = delivery;
    const level = { delivered: 'info', partly: 'info', retry: 'warn', dead: 'error' } as const;
    log[level[kind]](
      {
        notification: first?.id,
        ...(count > 1 && { digest_of: count }),
        channel: name,
        trace_id: first?.traceparent?.split('-')[1],
        ...more,
        age_ms: clock.now() - (first?.receivedAt ?? 0),
        ...facts,
      },
      `notification ${kind}`,
    );
  }

  async function persist(write: () => void): Promise<void> {
    for (;;) {
      try {
        return write();
      } catch (error) {
        log.error({ channel: name, err: error }, 'the outbox cannot be written; trying again');
      }
      // Told to stop, we leave it pending: better said twice than not at all.
      if (stopping.signal.aborted) return;
      await clock.sleep(diskRetryMillis, stopping.signal);
    }
  }

  const running = run();
  return {
    wake: () => alarm.abort(),
    async stop(graceMillis) {
      stopping.abort();
      alarm.abort();
      const timer = setTimeout(() => abort.abort(), graceMillis);
      await running;
      clearTimeout(timer);
      channel.close?.();
    },
  };
}
