/** A receiver that asks for a long wait. */
import { trace } from '@opentelemetry/api';
import { pino } from 'pino';
import { expect, test } from 'vitest';
import type { Channel, Delivery } from '../../../alerting/notifier/channels/channel.ts';
import { startWorker } from '../../../alerting/notifier/outbox/worker.ts';
import {
  addNotification,
  createOutbox,
  createVirtualClock,
  english,
} from '../../support/alerting/notifier-parts.ts';
import { until } from '../../support/until.ts';

// Fault: a proxy answers `Retry-After: 31536000`, or a number that is no time. Result: the next attempt is within an hour.
test.each([31_536_000, 1e300, Infinity])(
  'a receiver that asks for %d s is called again within an hour',
  async (afterSeconds) => {
    const clock = createVirtualClock();
    const startedAt = clock.now();
    const outbox = createOutbox();
    addNotification(outbox, 'firing');
    const limited = { kind: 'retry', reason: 'rate_limited', afterSeconds, detail: '' } as const;
    const answers: Delivery[] = [limited];
    const channel: Channel = {
      name: 'robot',
      deliver: () => Promise.resolve(answers.shift() ?? { kind: 'delivered' }),
    };
    const calledAfter: number[] = [];
    const worker = startWorker({
      channel,
      outbox,
      message: english,
      tracer: trace.getTracer('test'),
      onDelivery: () => void calledAfter.push(clock.now() - startedAt),
      log: pino({ level: 'silent' }),
      clock,
    });
    await until(() => outbox.oldestPendingAt() === undefined);
    await worker.stop(0);
    expect(calledAfter).toEqual([0, 3_600_000]);
  },
);
