/** Delivers one channel's notifications, one at a time, until each is delivered or dead. `main.ts` starts one a channel. */
import type { Logger } from '../../otel/logger.ts';
import { systemClock } from './clock.ts';
import type { Clock } from './clock.ts';
import type { Channel, Delivery } from './delivery.ts';
import type { Message } from './message.ts';
import type { Notification, Outbox } from './outbox.ts';
import { createRateLimit } from './rate-limit.ts';

export interface WorkerOptions {
  channel: Channel;
  outbox: Outbox;
  render: (payload: string) => Message;
  /** Told of every attempt. */
  onDelivery: (channel: string, delivery: Delivery) => void;
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
  onDelivery,
  log,
  clock = systemClock,
  random = Math.random,
  expirySeconds = 3 * 86_400,
}: WorkerOptions): Worker {
  const { name, rate } = channel;
  const since = clock.now() - (rate?.perSeconds ?? 0) * 1000;
  const limit = createRateLimit(rate, rate ? outbox.attemptsSince(name, since) : []);
  const stopping = new AbortController();
  const abort = new AbortController();
  let alarm = new AbortController();

  async function run(): Promise<void> {
    while (!stopping.signal.aborted) {
      alarm = new AbortController();
      try {
        const pending = outbox.next(name, clock.now());
        const wait = pending ? limit.waitMillis(clock.now()) : untilDue();
        if (pending && wait === 0) await attempt(pending);
        else await clock.sleep(Math.min(wait, longestSleepMillis), alarm.signal);
      } catch (error) {
        log.error({ channel: name, err: error }, 'the outbox cannot be read; trying again');
        await clock.sleep(diskRetryMillis, stopping.signal);
      }
    }
  }

  function untilDue(): number {
    const at = outbox.nextDueAt(name);
    return at === undefined ? longestSleepMillis : Math.max(0, at - clock.now());
  }

  async function attempt(notification: Notification): Promise<void> {
    const startedAt = clock.now();
    const { title, delivery } = await send(notification);
    const now = clock.now();
    limit.note(now);
    const attempts = notification.attempts + 1;
    const asked = delivery.kind === 'retry' ? delivery.afterSeconds * 1000 : 0;
    const nextAttemptAt = Math.round(now + Math.max(asked, backoffMillis(attempts, random)));
    if (delivery.kind === 'retry' && delivery.reason === 'rate_limited') {
      limit.pauseUntil(nextAttemptAt);
    }
    tell(notification, delivery, { title, attempts, duration_ms: now - startedAt });
    await persist(() => outbox.settle(notification.id, delivery, now, nextAttemptAt));
  }

  async function send(notification: Notification): Promise<{ title: string; delivery: Delivery }> {
    let title = '';
    try {
      const message = render(notification.payload);
      title = message.title;
      const delivery = await channel.deliver(message, abort.signal);
      return { title, delivery: expire(notification, delivery) };
    } catch (error) {
      // A fault of ours; its message may hold anything, so only its kind is told.
      const detail = `${error instanceof Error ? error.name : 'Error'} in channel ${name}`;
      const fault = {
        kind: 'retry',
        reason: 'unexpected_answer',
        afterSeconds: 0,
        detail,
      } as const;
      return { title, delivery: expire(notification, fault) };
    }
  }

  function expire({ receivedAt }: Notification, delivery: Delivery): Delivery {
    const isOver = clock.now() - receivedAt > expirySeconds * 1000;
    if (delivery.kind !== 'retry' || !isOver) return delivery;
    return { kind: 'dead', reason: 'expired', detail: delivery.detail };
  }

  function tell(
    { id, receivedAt }: Notification,
    delivery: Delivery,
    more: { title: string; attempts: number; duration_ms: number },
  ): void {
    onDelivery(name, delivery);
    const age_ms = clock.now() - receivedAt;
    const { kind, ...facts } = delivery;
    const level = { delivered: 'info', retry: 'warn', dead: 'error' } as const;
    log[level[kind]](
      { notification: id, channel: name, ...more, age_ms, ...facts },
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
    },
  };
}
