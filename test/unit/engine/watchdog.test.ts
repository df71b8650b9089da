import { afterEach, beforeEach, expect, test, vi } from 'vitest';
import { createWatchdog } from '../../../src/engine/host/watchdog.ts';

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

const alive = (stepMillis: number) =>
  ({ type: 'alive', contextTokens: 0, stepMillis, threads: 1 }) as const;

function watch() {
  const onHang = vi.fn<() => void>();
  return { onHang, watchdog: createWatchdog({ hangSeconds: 30, onHang }) };
}

test('a load may take ten minutes', () => {
  const { onHang } = watch();
  vi.advanceTimersByTime(599_000);
  expect(onHang).not.toHaveBeenCalled();
  vi.advanceTimersByTime(1000);
  expect(onHang).toHaveBeenCalledOnce();
});

test('no report for 30 seconds is a hang', () => {
  const { onHang, watchdog } = watch();
  watchdog.heard(alive(0));
  vi.advanceTimersByTime(29_900);
  watchdog.heard(alive(0));
  vi.advanceTimersByTime(29_900);
  expect(onHang).not.toHaveBeenCalled();
  vi.advanceTimersByTime(100);
  expect(onHang).toHaveBeenCalledOnce();
});

test('a step of 30 seconds is a hang, even if the engine keeps reporting', () => {
  const { onHang, watchdog } = watch();
  for (let millis = 500; millis < 29_900; millis += 500) {
    vi.advanceTimersByTime(500);
    watchdog.heard(alive(millis));
  }
  expect(onHang).not.toHaveBeenCalled();
  vi.advanceTimersByTime(500);
  expect(onHang).toHaveBeenCalledOnce();
});

test('a stopped watchdog reports no hang', () => {
  const { onHang, watchdog } = watch();
  watchdog.stop();
  vi.advanceTimersByTime(1_000_000);
  expect(onHang).not.toHaveBeenCalled();
});
