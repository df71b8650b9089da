/** Notices an engine process that hangs: one that says nothing, and one whose step never ends. Used by engine-process.ts. */
import type { Report } from '../engine.ts';

export interface Watchdog {
  heard(report: Report): void;
  stop(): void;
}

/** A model is read from disk, gigabytes of it, and a hung load must end too: 10 minutes at 30 seconds. */
const loadFactor = 20;

/** Begins with the load, which may take twenty times as long as anything later. */
export function createWatchdog(options: { hangSeconds: number; onHang: () => void }): Watchdog {
  let timer: NodeJS.Timeout | undefined;

  function expectWithin(seconds: number): void {
    clearTimeout(timer);
    timer = setTimeout(options.onHang, seconds * 1000);
    timer.unref();
  }

  expectWithin(options.hangSeconds * loadFactor);
  return {
    heard(report) {
      // The event loop of an engine lives on while a decode hangs in llama.cpp.
      const stepSeconds = report.type === 'alive' ? report.stepMillis / 1000 : 0;
      expectWithin(options.hangSeconds - stepSeconds);
    },
    stop() {
      clearTimeout(timer);
    },
  };
}
