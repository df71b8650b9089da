/** Detects an engine process that hangs: it reports nothing, or its current step does not end. Used by engine-process.ts. */
import type { Report } from '../engine.ts';

/** A load may take this many times `hangSeconds`, because it reads gigabytes from disk: 10 minutes at 30 seconds. */
const loadFactor = 20;

/** Starts watching when the load begins. May call `onHang` repeatedly until the watchdog is stopped. */
export function createWatchdog(options: { hangSeconds: number; onHang: () => void }) {
  let timer: NodeJS.Timeout | undefined;

  function expectWithin(seconds: number): void {
    clearTimeout(timer);
    timer = setTimeout(options.onHang, seconds * 1000);
    timer.unref();
  }

  expectWithin(options.hangSeconds * loadFactor);
  return {
    heard(report: Report): void {
      // While a decode hangs in llama.cpp the event loop still reports `alive`.
      const stepSeconds = report.type === 'alive' ? report.stepMillis / 1000 : 0;
      expectWithin(options.hangSeconds - stepSeconds);
    },
    stop(): void {
      clearTimeout(timer);
    },
  };
}
