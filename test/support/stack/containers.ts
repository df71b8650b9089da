/** The containers of one Compose project, by the docker command. Used by test/e2e/compose.test.ts. */
import { execFileSync, spawnSync } from 'node:child_process';
import { connect } from 'node:net';

/** The fields of `docker inspect` that the tests read. */
export interface Inspected {
  Config: { Image: string };
  State: { Pid: number; Health: { Status: string } };
  HostConfig: {
    ReadonlyRootfs: boolean;
    Privileged: boolean;
    CapDrop: string[];
    SecurityOpt: string[];
    Memory: number;
    NanoCpus: number;
    PidsLimit: number;
  };
  NetworkSettings: { Ports: Record<string, { HostIp: string; HostPort: string }[] | null> };
}

export interface Containers {
  /** @throws Error when it fails. */
  docker(...args: string[]): string;
  name(service: string, number?: number): string;
  inspect(service: string, number?: number): Inspected;
  /** The published addresses: `127.0.0.1:8000`. */
  published(service: string, number?: number): string[];
  /** Runs a program in the container; returns stdout and stderr. */
  inside(service: string, ...command: string[]): string;
  /** The ids of everything of this kind in the project. */
  list(kind: 'container' | 'network' | 'volume'): string[];
}

export function createContainers(project: string, env: NodeJS.ProcessEnv): Containers {
  const docker = (...args: string[]): string =>
    execFileSync('docker', args, { encoding: 'utf8', env, stdio: 'pipe' }).trim();
  const name = (service: string, number = 1): string => `${project}-${service}-${number}`;
  const inspect = (service: string, number?: number): Inspected =>
    (JSON.parse(docker('inspect', name(service, number))) as [Inspected])[0];
  return {
    docker,
    name,
    inspect,
    published(service, number) {
      const { Ports } = inspect(service, number).NetworkSettings;
      const ports = Object.values(Ports).flatMap((port) => port ?? []);
      return ports.map(({ HostIp, HostPort }) => `${HostIp}:${HostPort}`);
    },
    inside(service, ...command) {
      const args = ['exec', name(service), ...command];
      const { stdout, stderr } = spawnSync('docker', args, { encoding: 'utf8', env });
      return (stdout + stderr).trim();
    },
    list(kind) {
      const all = kind === 'container' ? ['--all'] : [];
      const filter = `label=com.docker.compose.project=${project}`;
      const found = docker(kind, 'ls', ...all, '--quiet', '--filter', filter);
      return found.split('\n').filter((id) => id !== '');
    },
  };
}

/** True when something listens there. */
export function connects(port: number, host: string): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ port, host, timeout: 2000 });
    const end = (is: boolean): void => {
      socket.destroy();
      resolve(is);
    };
    socket.once('connect', () => end(true));
    socket.once('error', () => end(false));
    socket.once('timeout', () => end(false));
  });
}
