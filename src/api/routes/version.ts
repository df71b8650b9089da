/** GET /version: versions of the service, Node and node-llama-cpp, and the served model. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Engine } from '../../engine/engine.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import type { ServedModel } from '../served-model.ts';

const Version = z.object({
  name: z.string(),
  version: z.string(),
  node: z.string(),
  engine: z.object({ name: z.string(), version: z.string() }).optional(),
  /** In front of the server of BACKEND_URL, which has no engine, sizing and threads of ours. */
  backend: z.literal(true).optional(),
  model: z.string(),
  /** The chosen threads, sequences and context, and why; null while the model is loading. */
  sizing: z.string().nullable().optional(),
  /** Threads now: fewer while other programs need cores; null while the model is loading. */
  threads: z.int().nullable().optional(),
});

function readPackage(url: URL) {
  return JSON.parse(readFileSync(url, 'utf8')) as { name: string; version: string };
}

const notLoaded = { sizing: null, threads: null };

export const service = readPackage(new URL('../../../package.json', import.meta.url));

/** @param host undefined in front of the server of BACKEND_URL */
export function createVersion(
  model: Pick<ServedModel, 'id'>,
  host?: Pick<Engine, 'status'>,
): Endpoint {
  const { name, version } = service;
  const about = host === undefined ? { backend: true as const } : { engine: readEngine() };
  const versions = { name, version, node: process.version, ...about };
  return {
    method: 'GET',
    path: '/version',
    summary: 'Versions, and the served model',
    access: 'key',
    answers: answersJson('Version', Version, {
      ...versions,
      model: model.id,
      ...(host !== undefined && notLoaded),
    }),
    errors: ['unauthorized'],
    handle(c) {
      const status = host?.status();
      const { sizing, threads } = status?.state === 'ready' ? status.facts : notLoaded;
      return c.json({
        ...versions,
        model: model.id,
        ...(host !== undefined && { sizing, threads }),
      });
    },
  };
}

/** node-llama-cpp does not export its package.json, and importing the package would load llama.cpp into this process. */
function readEngine() {
  const { name, version } = readPackage(
    new URL('../package.json', import.meta.resolve('node-llama-cpp')),
  );
  return { name, version };
}
