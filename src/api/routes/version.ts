/** GET /version: versions of the service, Node and node-llama-cpp, and the served model. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';

const Version = z.object({
  name: z.string(),
  version: z.string(),
  node: z.string(),
  engine: z.object({ name: z.string(), version: z.string() }),
  model: z.string(),
  /** The chosen threads, sequences and context, and why; null while the model is loading. */
  sizing: z.string().nullable(),
  /** Threads now: fewer while other programs need cores; null while the model is loading. */
  threads: z.int().nullable(),
});

function readPackage(url: URL) {
  return JSON.parse(readFileSync(url, 'utf8')) as { name: string; version: string };
}

const notLoaded = { sizing: null, threads: null };

export const service = readPackage(new URL('../../../package.json', import.meta.url));

export function createVersion(host: Pick<Engine, 'status'>, model: string): Endpoint {
  const { name, version } = service;
  // node-llama-cpp does not export its package.json, and importing the package would load llama.cpp into this process.
  const library = readPackage(new URL('../package.json', import.meta.resolve('node-llama-cpp')));
  const engine = { name: library.name, version: library.version };
  const versions = { name, version, node: process.version, engine, model };
  return {
    method: 'GET',
    path: '/version',
    summary: 'Versions, and the served model',
    access: 'key',
    answers: answersJson('Version', Version, { ...versions, ...notLoaded }),
    errors: ['unauthorized'],
    handle(c) {
      const status = host.status();
      const { sizing, threads } = status.state === 'ready' ? status.facts : notLoaded;
      return c.json({ ...versions, sizing, threads });
    },
  };
}
