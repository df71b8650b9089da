/** A thread that asks /healthz and /metrics all the time, so that the load of its parent does not add to the times. */
import { setTimeout as pause } from 'node:timers/promises';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import { percentile } from '../../bench/statistics.ts';

const paths = { '/healthz': 50, '/metrics': 500 } as const;
type Path = keyof typeof paths;

export interface ProbeReport {
  /** Milliseconds of every answer that was a 200. */
  times: Record<Path, number[]>;
  failures: string[];
}

/** Runs until `stop`, which resolves with what was measured. */
export function startProbe(url: string): { stop(): Promise<ProbeReport> } {
  const worker = new Worker(new URL(import.meta.url), { workerData: url });
  const report = new Promise<ProbeReport>((resolve, reject) => {
    worker.once('message', resolve).once('error', reject);
  });
  return {
    async stop() {
      // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a thread, not a window
      worker.postMessage('stop');
      return report;
    },
  };
}

export function showTimes(times: readonly number[]): string {
  const at = (percent: number): string => percentile(times, percent).toFixed(0);
  return `p50 ${at(50)} ms, p99 ${at(99)} ms, longest ${at(100)} ms, ${times.length} times`;
}

async function run(url: string): Promise<void> {
  const report: ProbeReport = { times: { '/healthz': [], '/metrics': [] }, failures: [] };
  const stopped = new AbortController();
  const ask = async (path: Path): Promise<void> => {
    while (!stopped.signal.aborted) {
      const startedAt = performance.now();
      try {
        const response = await fetch(url + path);
        await response.text();
        if (response.ok) report.times[path].push(performance.now() - startedAt);
        else report.failures.push(`${path} ${response.status}`);
      } catch (error) {
        report.failures.push(`${path} ${String((error as Error).cause ?? error)}`);
      }
      await pause(paths[path]);
    }
  };
  parentPort!.once('message', () => stopped.abort());
  await Promise.all([ask('/healthz'), ask('/metrics')]);
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a port of a thread, not a window
  parentPort!.postMessage(report);
}

if (!isMainThread) await run(workerData as string);
