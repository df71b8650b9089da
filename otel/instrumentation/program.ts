/** Starts telemetry for a program that is not ours. Used by `register.ts`. */
import { diag } from '@opentelemetry/api';
import { registerInstrumentations } from '@opentelemetry/instrumentation';
import { existsSync, readFileSync } from 'node:fs';
import { basename, dirname, join, parse } from 'node:path';
import { isMainThread } from 'node:worker_threads';
import { pino } from 'pino';
import { readServer, readText } from '../environment.ts';
import { observeProcess } from '../process/process.ts';
import { startTelemetry, type Telemetry } from '../sdk.ts';
import { serveTelemetry } from '../serve.ts';
import { findNodeLlamaCpp } from './find.ts';
import { NodeLlamaCppInstrumentation } from './instrumentation.ts';

/** Set by the first observed process, and inherited by the processes and threads that it starts. */
const servedBy = 'LLAMASCOPE_METRICS_SERVED_BY';

/** With the register in NODE_OPTIONS, `npm start` loads it too, before the program. */
const packageManagers = /^(npm|npx|pnpm|yarn|corepack)(-cli)?(\.[cm]?js)?$/;

export async function observeProgram(): Promise<void> {
  const entry = process.argv[1];
  if (entry !== undefined && packageManagers.test(basename(entry))) return;
  if (readText(process.env, 'OTEL_SDK_DISABLED')?.toLowerCase() === 'true') return;
  const isFirst = isMainThread && process.env[servedBy] === undefined;
  const { file, problem } = findNodeLlamaCpp();
  if (file === undefined) {
    if (isFirst) process.stderr.write(`@llamascope/otel: ${problem}\n`);
    return;
  }
  // Standard output, LOG_LEVEL and LOG_FORMAT are the program's.
  const log = pino({ name: '@llamascope/otel', level: 'debug' }, pino.destination(2));
  const telemetry = startTelemetry({ ...describeProgram(), log, serves: false });
  const instrumentation = new NodeLlamaCppInstrumentation();
  registerInstrumentations({ instrumentations: [instrumentation] });
  await instrumentation.ready;
  flushAtExit(telemetry);
  if (isMainThread) observeProcess(telemetry.meter, { role: 'engine' });
  if (!isFirst) return;
  process.env[servedBy] = String(process.pid);
  await serve(telemetry);
}

/** Name and version of the program's package; the name of its file without one. */
function describeProgram(): { serviceName: string; serviceVersion: string } {
  const { name, dir } = parse(process.argv[1] ?? join(process.cwd(), 'node'));
  for (let folder = dir; ; folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (existsSync(file)) {
      const found = JSON.parse(readFileSync(file, 'utf8')) as { name?: string; version?: string };
      return { serviceName: found.name ?? name, serviceVersion: found.version ?? '' };
    }
    if (folder === dirname(folder)) return { serviceName: name, serviceVersion: '' };
  }
}

/** The server keeps no program alive, and no program fails because the port is in use. */
async function serve(telemetry: Telemetry): Promise<void> {
  const exporters = readText(process.env, 'OTEL_METRICS_EXPORTER') ?? 'prometheus';
  if (!exporters.includes('prometheus')) return;
  const { host = '127.0.0.1', port } = readServer(process.env) ?? {};
  try {
    const server = await serveTelemetry(telemetry, {
      host,
      ...(port === undefined ? {} : { port }),
    });
    server.unref();
    diag.info(`Metrics: http://${host}:${server.port}/metrics`);
  } catch (error) {
    diag.warn(`Metrics are not served: ${(error as Error).message}`);
  }
}

/** Sends pending spans before the program ends by itself, or by a signal that it does not handle. */
function flushAtExit(telemetry: Telemetry): void {
  process.once('beforeExit', () => void telemetry.shutdown());
  if (!isMainThread) return;
  for (const signal of ['SIGTERM', 'SIGINT'] as const) {
    const end = (): void => {
      if (process.listenerCount(signal) - 1 > countExitHooks()) {
        process.off(signal, end);
        return;
      }
      void telemetry.shutdown().finally(() => {
        process.off(signal, end);
        process.kill(process.pid, signal);
      });
    };
    process.on(signal, end);
  }
}

/**
 * Listeners of the package signal-exit, which node-llama-cpp brings along. They do not count as the program's: they end it only
 * where nobody else listens. Versions 3 and 4 publish their number so (signal-exit/index.js).
 */
function countExitHooks(): number {
  const emitters: unknown[] = [
    Reflect.get(process, '__signal_exit_emitter__'),
    Reflect.get(globalThis, Symbol.for('signal-exit emitter')),
  ];
  return emitters.reduce<number>(
    (sum, emitter) => sum + ((emitter as { count: number } | undefined)?.count ?? 0),
    0,
  );
}
