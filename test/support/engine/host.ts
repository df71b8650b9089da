/** A host in the test's process with a real engine process, and a model whose answers do not end. */
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Engine, EngineStatus, Fact, GenerationRequest } from '../../../src/engine/engine.ts';
import { createHost, type HostOptions } from '../../../src/engine/host/host.ts';
import { makeGguf } from '../models/make-gguf.ts';
import { until } from '../until.ts';

/** Writes a model that repeats its sentence without end. @returns its path. */
export function writeEndlessModel(): string {
  const out = path.join(mkdtempSync(path.join(tmpdir(), 'endless-')), 'endless.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'On and on it goes. ', loop: true, out });
  return out;
}

type TestOptions = Pick<HostOptions, 'modelPath'> & Partial<HostOptions>;

export async function startHost(options: TestOptions): Promise<Engine & { log: string[] }> {
  const host = createTestHost(options);
  await until(() => host.status().state === 'ready');
  return host;
}

/** A host whose engine may never be ready. */
export function createTestHost(options: TestOptions): Engine & { log: string[] } {
  const log: string[] = [];
  const write = (facts: object, message: string): void =>
    void log.push(`${message} ${JSON.stringify(facts)}`);
  const host = createHost({
    threads: 1,
    sequences: 1,
    contextTokens: 4096,
    embeddings: false,
    sharePrefix: 'all',
    cacheMegabytes: 'auto',
    queueLimit: 8,
    queueTimeoutSeconds: 30,
    log: { info: write, error: write },
    ...options,
  });
  return { ...host, log };
}

export function ask(text: string, maxTokens?: number): GenerationRequest {
  return {
    prompt: { kind: 'text', text },
    sampling: { maxTokens, temperature: 0, topP: 1, topK: 0, minP: 0, stop: [] },
  };
}

/** A generation, with the facts and the error that it has reported so far. */
export function generate(host: Engine, request: GenerationRequest, client = 'one') {
  const controller = new AbortController();
  const facts: Fact[] = [];
  const state = { error: undefined as unknown };
  const onFact = (fact: Fact): void => void facts.push(fact);
  const done = host
    .generate(request, { signal: controller.signal, client, onFact })
    .catch((error: unknown) => void (state.error = error));
  return Object.assign(state, {
    facts,
    done,
    has: (type: Fact['type']) => facts.some((fact) => fact.type === type),
    tokens: () => facts.filter(({ type }) => type === 'token').length,
    abort: (reason: unknown) => controller.abort(reason),
  });
}

/** Waits for a ready engine with another pid than `before`. @returns the pid. */
export async function nextPid(host: Engine, before: number | undefined): Promise<number> {
  await until(() => host.status().state === 'ready' && host.status().pid !== before);
  return (host.status() as EngineStatus & { state: 'ready' }).pid;
}
