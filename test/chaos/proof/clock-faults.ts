/** Steps of the clock of the chat service alone, by Debian's libfaketime. The engine process gets no LD_PRELOAD and keeps the real clock. */
import { existsSync, globSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { unpackPackages } from '../../../stack/native/tools/debian-archive.ts';
import type { Fault, World } from './fault.ts';
import { scrape, sumOf } from './readings.ts';

const folder = path.join(import.meta.dirname, '../../../.tools/faketime');

/** @returns the reason why it cannot be had. */
export async function ensureFaketime(): Promise<string | undefined> {
  try {
    if (!existsSync(folder)) {
      await unpackPackages(folder, {
        packages: ['libfaketime'],
        withDependencies: false,
        neededMegabytes: 300,
        arrange: () => {},
      });
    }
    return undefined;
  } catch (error) {
    return `libfaketime: ${(error as Error).message}`;
  }
}

/** The variables with which a process reads the offset of its clock from `file`. */
export function fakeClock(file: string): Record<string, string> {
  const [library = ''] = globSync(`${folder}/usr/lib/*/faketime/libfaketime.so.1`);
  stepClock(file, '+0');
  return {
    LD_PRELOAD: library,
    FAKETIME_TIMESTAMP_FILE: file,
    FAKETIME_CACHE_DURATION: '1',
    // As the kernel's: a step of the wall clock does not move the monotonic one.
    FAKETIME_DONT_FAKE_MONOTONIC: '1',
  };
}

export function stepClock(file: string, offset: string): void {
  writeFileSync(file, `${offset}\n`);
}

const stepFile = ({ folder }: Pick<World, 'folder'>): string => path.join(folder, 'clock');

function step(what: string, offset: string): Fault {
  return {
    what,
    prepare: ensureFaketime,
    start: (world) => ({
      env: { ...fakeClock(stepFile(world)), TRACES_DB: path.join(world.folder, 'traces.db') },
    }),
    async strike(world) {
      const before = await clockOf(world);
      stepClock(stepFile(world), offset);
      const deadline = performance.now() + 5000;
      while (Math.abs((await clockOf(world)) - before) < 3_600_000) {
        if (performance.now() > deadline) throw new Error('the clock has not stepped');
      }
    },
    async operator(world) {
      const samples = await scrape(world.service.url);
      const seconds = [
        'inference_duration_seconds_sum',
        'http_server_request_duration_seconds_sum',
        'inference_queue_duration_seconds_sum',
      ].map((name) => sumOf(samples, name));
      const isSane = seconds.every((sum) => sum >= 0 && sum < 600);
      if (!isSane) throw new Error(`durations of ${seconds.join(', ')} s`);
      return 'durations without the step; spans and log lines have the new time';
    },
    losesAnswers: false,
  };
}

/** The time in the Date header. */
async function clockOf({ service }: World): Promise<number> {
  const { headers } = await fetch(`${service.url}/healthz`);
  return Date.parse(headers.get('date') ?? '');
}

export const clockFaults: Readonly<Record<string, Fault>> = {
  'clock-forward': step('the clock steps 8 h forward', '+8h'),
  'clock-back': step('the clock steps 8 h back', '-8h'),
};
