/** The worker thread of `file-store.ts`: it alone touches the file, so that a slow disk delays no request. */
import { parentPort, workerData } from 'node:worker_threads';
import type { Attributes } from '@opentelemetry/api';
import { openTraceFile, type EndedSpans } from './trace-file.ts';
import type { TraceLimits, TracePage, TraceQuery } from './traces.ts';

export interface WorkerData {
  path: string;
  limits: TraceLimits;
}

/** Main thread → worker. */
export type Command =
  | { type: 'add'; ended: EndedSpans; resource: Attributes }
  | { type: 'list'; id: number; query: TraceQuery }
  | { type: 'get'; id: number; traceId: string }
  | { type: 'close'; id: number };

/** Worker → main thread. */
export type Report =
  /** The file can be used; otherwise the worker ends with an error. */
  | { type: 'opened' }
  /** `problem`: nothing of the oldest `add` was written. */
  | { type: 'added'; problem?: string }
  | { type: 'answer'; id: number; value: TracePage | object | undefined }
  | { type: 'failed'; id: number; problem: string };

const port = parentPort!;
const { path, limits } = workerData as WorkerData;
const file = openTraceFile(path, limits);

const send = (report: Report): void => port.postMessage(report);

port.on('message', (command: Command) => send(carryOut(command)));
send({ type: 'opened' });

function carryOut(command: Command): Report {
  try {
    if (command.type === 'add') {
      file.add(command.ended, command.resource);
      return { type: 'added' };
    }
    return { type: 'answer', id: command.id, value: answer(command) };
  } catch (error) {
    const problem = (error as Error).message;
    if (command.type === 'add') return { type: 'added', problem };
    return { type: 'failed', id: command.id, problem };
  }
}

function answer(command: Exclude<Command, { type: 'add' }>): TracePage | object | undefined {
  if (command.type === 'list') return file.list(command.query);
  if (command.type === 'get') return file.get(command.traceId);
  file.close();
  return undefined;
}
