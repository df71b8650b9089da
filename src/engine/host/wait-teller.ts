/** Measures the speed of the engine from the facts of its requests, and tells those that wait their place and how long. Used by host.ts. */
import { monotonicMillis } from '../../../otel/clock.ts';
import type { Fact } from '../engine.ts';
import { readWaiting, type Queue } from './queue.ts';
import { estimateWaits, measureSpeed, unknownSpeed, type Running } from './wait-estimate.ts';

/** Progress of one request; times are those of `monotonicMillis`. */
interface Progress {
  promptTokens: number;
  maxTokens: number;
  evaluatedTokens: number;
  outputTokens: number;
  startedAt?: number;
  prefilledAt?: number;
  lastTokenAt?: number;
}

export interface WaitTellerOptions {
  queue: Queue;
  readonly tell: (id: number, fact: Fact) => void;
  intervalMillis?: number;
}

const defaultIntervalMillis = 1000;

export function createWaitTeller({ queue, tell, intervalMillis }: WaitTellerOptions) {
  const progress = new Map<number, Progress>();
  let speed = unknownSpeed;
  let timer: NodeJS.Timeout | undefined;

  function tellAll(): void {
    const waiting = readWaiting(queue).flatMap(({ id, waits }) => {
      const known = progress.get(id);
      return known === undefined ? [] : [{ id, waits, ...known }];
    });
    if (waiting.length === 0) {
      clearInterval(timer);
      timer = undefined;
      return;
    }
    const now = monotonicMillis();
    const running = [...progress.values()].flatMap((each) => toRunning(each, now));
    const estimates = estimateWaits(speed, { slots: queue.slots, running, waiting });
    for (const [index, { id }] of waiting.entries()) {
      const seconds = estimates?.[index];
      const known = seconds === undefined ? {} : { seconds };
      tell(id, { type: 'waiting', position: index + 1, ...known });
    }
  }

  return {
    entered(id: number, { promptTokens, maxTokens }: Pick<Progress, 'promptTokens' | 'maxTokens'>) {
      progress.set(id, { promptTokens, maxTokens, evaluatedTokens: 0, outputTokens: 0 });
      timer ??= setInterval(tellAll, intervalMillis ?? defaultIntervalMillis).unref();
    },
    heard(id: number, fact: Fact): void {
      const known = progress.get(id);
      if (known === undefined) return;
      learn(known, fact);
      if (fact.type === 'ended') end(id, known, fact.finishReason === 'stop');
    },
    /** For a request that ended with an error. */
    left(id: number): void {
      const known = progress.get(id);
      if (known !== undefined) end(id, known, true);
    },
    /** The engine process ended: its requests tell nothing about its speed. */
    forget(): void {
      for (const known of progress.values()) {
        known.evaluatedTokens = 0;
        delete known.startedAt;
      }
    },
  };

  function end(id: number, known: Progress, early: boolean): void {
    progress.delete(id);
    const [running] = toRunning(known, monotonicMillis());
    if (running === undefined) return;
    const crowded = queue.lines.size > 0;
    speed = measureSpeed(speed, running, { early, crowded });
  }
}

function learn(known: Progress, fact: Fact): void {
  if (fact.type === 'started') known.startedAt = fact.at;
  if (fact.type === 'prefilling') known.evaluatedTokens = fact.evaluatedTokens;
  if (fact.type === 'prefilled') {
    known.evaluatedTokens = fact.inputTokens;
    known.prefilledAt = fact.endedAt;
  }
  if (fact.type === 'token') {
    known.outputTokens += 1;
    known.lastTokenAt = fact.at;
  }
}

/** Empty for a request without a sequence. */
function toRunning(known: Progress, now: number): Running[] {
  const { startedAt, prefilledAt, lastTokenAt, ...counts } = known;
  if (startedAt === undefined) return [];
  const promptSeconds = ((prefilledAt ?? now) - startedAt) / 1000;
  const outputSeconds = prefilledAt === undefined ? 0 : ((lastTokenAt ?? now) - prefilledAt) / 1000;
  return [{ ...counts, promptSeconds, outputSeconds }];
}
