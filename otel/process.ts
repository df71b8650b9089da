/** What the processes cost: CPU, memory, start, descriptors; the engine's are read from /proc by the API process. */
import type { Meter } from '@opentelemetry/api';
import { readdirSync, readFileSync } from 'node:fs';
import { observe } from './instruments.ts';
import { attributes as a, type processRoles } from './names.ts';

type Role = (typeof processRoles)[number];

interface Reading {
  userSeconds: number;
  systemSeconds: number;
  residentBytes: number;
  startSeconds: number;
  fileDescriptors: number;
}

// USER_HZ and the page size of every Linux that Node runs on (x64, arm64 with 4 KiB pages).
const ticksPerSecond = 100;
const pageBytes = 4096;

/** `pids` maps each role to the process that plays it now; a role without one reads 0. */
export function observeProcesses(
  meter: Meter,
  pids: Partial<Record<Role, () => number | undefined>>,
): void {
  const roles = Object.entries(pids).map(([role, pid]) => createReader(role as Role, pid));
  const each = (key: Parameters<typeof observe>[1], value: (reading: Reading) => number): void =>
    observe(meter, key, (report) => {
      for (const role of roles) report(value(role.read()), { [a.processRole]: role.role });
    });
  each('processMemoryUsage', (reading) => reading.residentBytes);
  each('processStartTime', (reading) => reading.startSeconds);
  each('processUptime', (reading) =>
    reading.startSeconds === 0 ? 0 : Date.now() / 1000 - reading.startSeconds,
  );
  each('processOpenFileDescriptors', (reading) => reading.fileDescriptors);
  observe(meter, 'processCpuTime', (report) => {
    for (const role of roles) {
      const { userSeconds, systemSeconds } = role.read();
      report(userSeconds, { [a.processRole]: role.role, [a.processCpuMode]: 'user' });
      report(systemSeconds, { [a.processRole]: role.role, [a.processCpuMode]: 'system' });
    }
  });
}

/** Keeps the CPU time of processes that are gone, so that the sum of a role never falls. */
function createReader(role: Role, pid: () => number | undefined) {
  let current: { pid: number; reading: Reading } | undefined;
  const gone = { userSeconds: 0, systemSeconds: 0 };
  let last = { at: 0, reading: nothing };

  function readNow(): Reading {
    const now = pid();
    if (current !== undefined && current.pid !== now) {
      gone.userSeconds += current.reading.userSeconds;
      gone.systemSeconds += current.reading.systemSeconds;
      current = undefined;
    }
    const reading = now === undefined ? undefined : readProcess(now);
    if (now !== undefined && reading !== undefined) current = { pid: now, reading };
    const shown = reading ?? nothing;
    const kept = current?.reading ?? nothing;
    return {
      ...shown,
      userSeconds: gone.userSeconds + kept.userSeconds,
      systemSeconds: gone.systemSeconds + kept.systemSeconds,
    };
  }

  return {
    role,
    /** The five instruments of one collection share a reading. */
    read(): Reading {
      if (performance.now() - last.at > 50) last = { at: performance.now(), reading: readNow() };
      return last.reading;
    },
  };
}

const nothing: Reading = {
  userSeconds: 0,
  systemSeconds: 0,
  residentBytes: 0,
  startSeconds: 0,
  fileDescriptors: 0,
};

/** Fields of `/proc/<pid>/stat` as proc_pid_stat(5) numbers them; undefined where there is none to read. */
function readProcess(pid: number): Reading | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8');
    // The name in brackets may hold spaces and brackets itself.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
    const field = (number: number): number => Number(fields[number - 3]);
    return {
      userSeconds: field(14) / ticksPerSecond,
      systemSeconds: field(15) / ticksPerSecond,
      residentBytes: field(24) * pageBytes,
      startSeconds: bootSeconds() + field(22) / ticksPerSecond,
      fileDescriptors: readdirSync(`/proc/${pid}/fd`).length,
    };
  } catch {
    return undefined;
  }
}

function bootSeconds(): number {
  return Number(/^btime (\d+)$/m.exec(readFileSync('/proc/stat', 'utf8'))?.[1] ?? 0);
}
