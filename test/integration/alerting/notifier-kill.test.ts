/** The notifier is killed at every step of a delivery; `make chaos` does it 200 times. */
import { expect, test } from 'vitest';
import { killAtEveryStep, steps } from '../../support/alerting/notifier-kill.ts';

test('killed 20 times at every step, it loses nothing, keeps the order, and repeats only what nobody can know', async () => {
  const seeds = Array.from({ length: 20 }, (_, index) => index + 1);
  const { killed, repeats, faults } = await killAtEveryStep(seeds);
  expect(faults).toEqual([]);
  expect(Object.values(killed).filter((count) => count > 0)).toHaveLength(steps.length);
  // One call at a time: a kill leaves at most one message that nobody knows to be through.
  expect(repeats).toBeLessThanOrEqual(seeds.length);
}, 300_000);
