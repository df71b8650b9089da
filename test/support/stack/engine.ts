/**
 * A Docker engine for the tests of containers: a running engine, else the engine that COMPOSE_LAB starts. COMPOSE_LAB is the path of
 * a script `prepare.sh [up|down]`, for machines that reach no registry. The script provides an engine, Compose, and images with the tags
 * in PROM_TAGS, AM_TAGS and NODE_TAGS.
 */
import { execFileSync } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { parse } from 'yaml';
import { missingDocker } from '../../../stack/docker/compose.ts';
import { root } from './sandbox.ts';

export interface Engine {
  /** Starts the engine if needed; returns the environment variables for `docker`. */
  start(): Record<string, string>;
  /** Stops what `start` started. */
  stop(): void;
}

export const noEngine =
  'skipped: it needs a Docker engine with Compose 2.24 or later, or COMPOSE_LAB=path/of/prepare.sh';

/** Undefined when there is no engine, after at most 2 s. */
export async function findEngine(): Promise<Engine | undefined> {
  if ((await missingDocker()) === undefined) return { start: () => ({}), stop: () => {} };
  const script = process.env['COMPOSE_LAB'];
  if (!script) return undefined;
  if (!existsSync(script)) throw new Error(`COMPOSE_LAB: expected a script, found no ${script}`);
  return makeLab(script);
}

function makeLab(script: string): Engine {
  // W names the working folder of the script. If it is kept, the next start takes a third of the time.
  const folder = process.env['W'] || mkdtempSync(path.join(tmpdir(), 'compose-lab-'));
  const env = {
    ...process.env,
    W: folder,
    NODE_BIN: process.execPath,
    PROM_TAGS: imageOf('prometheus'),
    AM_TAGS: imageOf('alertmanager'),
    NODE_TAGS: nodeImage(),
  };
  const run = (command: string): void => {
    execFileSync('bash', [script, command], { env, stdio: ['ignore', 'ignore', 'inherit'] });
  };
  return {
    start() {
      run('up');
      return { DOCKER_CONFIG: path.join(folder, 'dcfg') };
    },
    stop: () => run('down'),
  };
}

function imageOf(service: string): string {
  const { services } = parse(readFileSync(path.join(root, 'stack/compose.yaml'), 'utf8'), {
    merge: true,
  }) as { services: Record<string, { image: string }> };
  return services[service]?.image ?? '';
}

function nodeImage(): string {
  const dockerfile = readFileSync(path.join(root, 'stack/Dockerfile'), 'utf8');
  return /^ARG NODE_IMAGE=(\S+)$/m.exec(dockerfile)?.[1] ?? '';
}
