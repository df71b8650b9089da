/**
 * CPU, memory and other resources of the processes, the cgroup and the machine. The API process reads the values of the engine process
 * from `/proc`, because a process that runs llama.cpp cannot answer.
 */
import type { Meter } from '@opentelemetry/api';
import { cpus, freemem, totalmem } from 'node:os';
import { createCgroupReader } from './cgroup.ts';
import { createInstruments, type Instruments } from '../metrics/instruments.ts';
import { attributes as a, type processRoles } from '../names.ts';
import { createCpuSum, readProcess, type ProcessFacts } from './proc.ts';

type ProcessRole = (typeof processRoles)[number];

/**
 * Observes this process under `role`, and the engine process. `engine` returns the pid of the engine process, or undefined if it does
 * not run. A process that does not run has no start time and no uptime; its CPU time is summed over restarts.
 */
export function observeProcess(
  meter: Meter,
  options: { role: ProcessRole; engine?: () => number | undefined },
): void {
  const instruments = createInstruments(meter);
  const readers: { role: ProcessRole; read: () => ProcessFacts | undefined }[] = [
    { role: options.role, read: readSelf },
  ];
  const { engine } = options;
  if (engine !== undefined) {
    readers.push({ role: 'engine', read: () => readProcess(engine()) });
  }
  for (const { role, read } of readers) observeOne(instruments, role, rememberTick(read));
  observeMachine(instruments);
  observeCgroup(instruments);
}

function observeOne(
  instruments: Instruments,
  role: ProcessRole,
  read: () => ProcessFacts | undefined,
): void {
  const labels = Object.freeze({ [a.processRole]: role });
  const cpu = createCpuSum();
  instruments.observe('processCpuTime', (result) => {
    const { userSeconds, systemSeconds } = cpu.add(read());
    result.observe(userSeconds, { ...labels, [a.cpuMode]: 'user' });
    result.observe(systemSeconds, { ...labels, [a.cpuMode]: 'system' });
  });
  // The SDK adds up the changes of an observable updowncounter, so one NaN would remain in the sum: 0 instead, or no observation.
  const amounts = [
    ['processMemoryUsage', (facts: ProcessFacts) => facts.memoryBytes],
    ['processUnixFileDescriptorCount', (facts: ProcessFacts) => facts.openFileDescriptors],
  ] as const;
  for (const [key, value] of amounts) {
    instruments.observe(key, (result) => {
      const facts = read();
      const amount = facts === undefined ? 0 : value(facts);
      if (!Number.isNaN(amount)) result.observe(amount, labels);
    });
  }
  const gauges = [
    ['processStartTime', (facts: ProcessFacts) => facts.startedAt],
    ['processUptime', (facts: ProcessFacts) => facts.uptimeSeconds],
  ] as const;
  for (const [key, value] of gauges) {
    instruments.observe(key, (result) => {
      const facts = read();
      result.observe(facts === undefined ? Number.NaN : value(facts), labels);
    });
  }
}

/** Caches the value for the current event-loop turn: the callbacks of one collection run in the same turn and share one read. */
function rememberTick<Value>(read: () => Value): () => Value {
  let known: { value: Value } | undefined;
  return () => {
    if (known === undefined) {
      known = { value: read() };
      setImmediate(() => (known = undefined));
    }
    return known.value;
  };
}

function readSelf(): ProcessFacts {
  const { user, system } = process.cpuUsage();
  return {
    id: String(process.pid),
    userSeconds: user / 1e6,
    systemSeconds: system / 1e6,
    memoryBytes: process.memoryUsage.rss(),
    startedAt: performance.timeOrigin / 1000,
    uptimeSeconds: performance.now() / 1000,
    openFileDescriptors: readProcess(process.pid)?.openFileDescriptors ?? Number.NaN,
  };
}

/** Not @opentelemetry/host-metrics: it reports CPU time per core, and our view would drop the core label and keep only one core. */
function observeMachine(instruments: Instruments): void {
  instruments.observe('systemCpuTime', (result) => {
    const modes = { user: 0, system: 0, nice: 0, idle: 0, interrupt: 0 };
    for (const { times } of cpus()) {
      modes.user += times.user;
      modes.system += times.sys;
      modes.nice += times.nice;
      modes.idle += times.idle;
      modes.interrupt += times.irq;
    }
    for (const [mode, millis] of Object.entries(modes)) {
      result.observe(millis / 1000, { [a.cpuMode]: mode });
    }
  });
  instruments.observe('systemMemoryUsage', (result) => {
    for (const [state, bytes] of readMemory())
      result.observe(bytes, { [a.systemMemoryState]: state });
  });
  instruments.observe('systemMemoryUtilization', (result) => {
    for (const [state, bytes] of readMemory()) {
      result.observe(bytes / totalmem(), { [a.systemMemoryState]: state });
    }
  });
}

function readMemory(): [state: string, bytes: number][] {
  const free = freemem();
  return [
    ['used', totalmem() - free],
    ['free', free],
  ];
}

function observeCgroup(instruments: Instruments): void {
  const cgroup = createCgroupReader();
  instruments.observe('cgroupCpuThrottledTime', (result) => {
    const seconds = cgroup.throttledSeconds();
    if (seconds !== undefined) result.observe(seconds);
  });
  instruments.observe('cgroupMemoryLimit', (result) => {
    result.observe(cgroup.memoryLimitBytes() ?? Number.NaN);
  });
}
