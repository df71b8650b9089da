/** Kills the notifier at every step of a delivery; `make chaos` does it 200 times. */
import { expect, test } from 'vitest';
import { killAtEveryStep, steps } from '../../support/alerting/notifier-kill.ts';

// Every step of a delivery, of a robot and of a receiver.
const seeds = [1, 2, 3, 4, 7, 8, 13, 15, 16, 17];

// Fault: the notifier is killed while it posts, stores, calls, settles.
test('a notifier killed 10 times loses nothing, keeps the order, and repeats nothing to a receiver that detects repeats', async () => {
  const { killed, repeats, faults } = await killAtEveryStep(seeds);
  expect(faults).toEqual([]);
  expect(Object.values(killed).filter((count) => count > 0)).toHaveLength(steps.length);
  // The notifier makes one call at a time, so a kill leaves at most one message whose delivery is unknown.
  expect(repeats).toBeLessThanOrEqual(seeds.length);
}, 300_000);
