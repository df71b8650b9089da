/** Faults of the engine process and of the model's file. */
import { execFileSync } from 'node:child_process';
import {
  copyFileSync,
  readFileSync,
  renameSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs';
import { setTimeout as pause } from 'node:timers/promises';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { logged, readiness, type Fault, type World } from './fault.ts';

const kill = ({ service }: World, signal: NodeJS.Signals = 'SIGKILL'): void =>
  void process.kill(service.enginePid(), signal);
const copyOf = ({ model }: { model: string }): string => `${model}.whole`;
async function keepCopy(world: { model: string }): Promise<undefined> {
  copyFileSync(world.model, copyOf(world));
}
const restore = async (world: World): Promise<void> => renameSync(copyOf(world), world.model);

export const engineFaults: Readonly<Record<string, Fault>> = {
  'engine-killed': {
    what: 'the engine process is killed (SIGKILL)',
    strike: async (world) => kill(world),
    operator: (world) => logged(world, /"last_exit":"[^"]+"/),
    losesAnswers: true,
  },
  'engine-stopped': {
    what: 'the engine process is stopped (SIGSTOP, CHAT_HANG_SECONDS=2)',
    strike: async (world) => kill(world, 'SIGSTOP'),
    operator: (world) => logged(world, /the engine process hangs and is killed/),
    losesAnswers: true,
  },
  'out-of-memory': {
    what: 'no memory at load: the engine is killed, and its successors may allocate nothing for 4 s (RLIMIT_AS)',
    async strike(world) {
      const before = world.service.enginePid();
      kill(world);
      const endsAt = performance.now() + 4000;
      while (performance.now() < endsAt) {
        const pid = childOf(world.service.process.pid!);
        if (pid !== undefined && pid !== before) limitMemory(pid);
        await pause(5);
      }
    },
    operator: (world) => logged(world, /"last_exit":"[^"]+"/),
    healedBy: 'by itself, when there is memory',
    losesAnswers: true,
  },
  'model-truncated': {
    what: 'the GGUF file is cut to half in place while it is served',
    prepare: keepCopy,
    async strike({ model }) {
      truncateSync(model, readFileSync(model).length / 2);
    },
    operator: (world) => readiness(world, /failed/),
    heal: restore,
    healedBy: 'when the file is whole again',
    losesAnswers: true,
  },
  'model-corrupt': {
    what: 'the GGUF file is overwritten with zeros, and the engine is killed',
    prepare: keepCopy,
    async strike(world) {
      writeFileSync(`${world.model}.bad`, Buffer.alloc(100_000));
      renameSync(`${world.model}.bad`, world.model);
      kill(world);
    },
    operator: (world) => readiness(world, /failed/),
    heal: restore,
    healedBy: 'when the file is whole again',
    losesAnswers: true,
  },
  'model-deleted': {
    what: 'the GGUF file is deleted, and the engine is killed',
    prepare: keepCopy,
    async strike(world) {
      rmSync(world.model);
      kill(world);
    },
    operator: (world) => readiness(world, /failed/),
    heal: restore,
    healedBy: 'when the file is there again',
    losesAnswers: true,
  },
  'model-replaced': {
    what: 'the GGUF file is replaced by another one while it is served',
    async strike({ model }) {
      makeGguf({
        shape: 'tiny',
        quant: 'q8_0',
        say: 'The other one. ',
        loop: true,
        out: `${model}.new`,
      });
      renameSync(`${model}.new`, model);
    },
    async operator({ service }) {
      const restarts = await service.sample('inference_ready');
      return `nothing (inference_ready ${restarts}): the old file is served until a restart`;
    },
    losesAnswers: false,
  },
};

function childOf(pid: number): number | undefined {
  const [child] = readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8').trim().split(' ');
  return Number(child) || undefined;
}

function limitMemory(pid: number): void {
  try {
    execFileSync('prlimit', ['--pid', String(pid), '--as=100000000'], { stdio: 'ignore' });
  } catch {
    // The process has ended.
  }
}
