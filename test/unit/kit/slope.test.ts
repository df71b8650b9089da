/** The line of the soak. */
import { expect, test } from 'vitest';
import { fitSlope } from '../../chaos/proof/slope.ts';
import { createRandom } from '../../support/random.ts';

const times = Array.from({ length: 300 }, (_, at) => at / 300);

test('a slope is found within its error, and noise without a slope is flat', () => {
  const random = createRandom(1);
  const noise = times.map(() => random() - 0.5);
  const leak = fitSlope(
    times,
    times.map((time, at) => 10 + 2 * time + noise[at]!),
  );
  expect(Math.abs(leak.slope - 2)).toBeLessThan(2 * leak.error);
  expect(leak.error).toBeLessThan(0.1);
  const flat = fitSlope(times, noise);
  expect(Math.abs(flat.slope)).toBeLessThan(2 * flat.error);
});

test('a value that wanders has a wider error than its residuals alone would give', () => {
  const random = createRandom(1);
  let at = 0;
  const walk = times.map(() => (at = 0.95 * at + random() - 0.5));
  const shuffled = walk.toSorted((a, b) => Math.sin(a * 1e6) - Math.sin(b * 1e6));
  expect(fitSlope(times, walk).error).toBeGreaterThan(3 * fitSlope(times, shuffled).error);
});
