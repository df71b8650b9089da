/** Disks that are full or read-only: small file systems in memory, mounted in a namespace that only the service sees. */
import { spawnSync } from 'node:child_process';
import { mkdirSync } from 'node:fs';
import path from 'node:path';
import { logged, type Fault } from './fault.ts';

const inNamespace = ['unshare', '--user', '--map-root-user', '--mount'];

async function canMount(): Promise<string | undefined> {
  const args = [...inNamespace.slice(1), 'mount', '-t', 'tmpfs', 'none', '/mnt'];
  const { status, stderr } = spawnSync('unshare', args, { encoding: 'utf8' });
  return status === 0 ? undefined : `no mounts in a namespace: ${stderr.trim()}`;
}

/** Runs the service after `script`, which gets the folder as $0. */
const after = (script: string, folder: string): string[] => [
  ...inNamespace,
  'sh',
  '-c',
  `${script} && exec "$@"`,
  folder,
];

const answersGoOn: Pick<Fault, 'prepare' | 'losesAnswers'> = {
  async prepare({ folder }) {
    mkdirSync(path.join(folder, 'disk'));
    return canMount();
  },
  losesAnswers: false,
};

export const diskFaults: Readonly<Record<string, Fault>> = {
  'data-read-only': {
    what: 'the disk of the traces (TRACES_DB) is read-only from the start',
    ...answersGoOn,
    start: ({ folder }) => ({
      env: { TRACES_DB: path.join(folder, 'disk/traces.db') },
      before: after('mount -t tmpfs -o ro none "$0/disk"', folder),
    }),
    strike: async () => {},
    operator: (world) => logged(world, /"msg":"[^"]*trace[^"]*"/i),
    healedBy: 'traces are kept in memory until the next start',
  },
  'models-read-only': {
    what: 'the disk of the models is read-only',
    ...answersGoOn,
    start: ({ folder, model }) => ({
      env: { CHAT_MODEL: path.join(folder, 'disk', path.basename(model)) },
      before: after(
        'mount -t tmpfs none "$0/disk" && cp "$0"/*.gguf "$0/disk" && mount -o remount,ro "$0/disk"',
        folder,
      ),
    }),
    strike: async ({ service }) => void process.kill(service.enginePid(), 'SIGKILL'),
    operator: (world) => logged(world, /"last_exit":"[^"]+"/),
    losesAnswers: true,
    healedBy: 'by itself: the engine, which was killed to make it load again, only reads',
  },
  'shm-full': memoryFolder('full (64 kB)', 'size=64k'),
  'shm-read-only': memoryFolder('read-only', 'ro'),
};

function memoryFolder(how: string, options: string): Fault {
  return {
    what: `/dev/shm is ${how}`,
    ...answersGoOn,
    start: ({ folder }) => ({
      before: after(`mount -t tmpfs -o ${options} none /dev/shm`, folder),
    }),
    strike: async () => {},
    async operator({ service }) {
      const copied = await service.sample('inference_prefix_cache_usage_bytes');
      return `inference_prefix_cache_usage_bytes ${copied ?? 'absent'}: no copies of prefixes, so that a conversation without a sequence is evaluated again`;
    },
  };
}
