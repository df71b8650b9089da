/** The engine process: forked by engine-process.ts, loads the model, takes commands and reports facts over IPC. */
import { epochMillis } from '../../../otel/clock.ts';
import { ChatError } from '../../errors.ts';
import type { Command, EngineOptions, GenerationRequest, Report } from '../engine.ts';
import { loadModel } from './llama/model.ts';
import type { Prepared } from './loaded-model.ts';
import { createScheduler } from './scheduler.ts';
import { createTurns, runSliced } from './turns.ts';

const aliveIntervalMillis = 500;

// A busy fork outlives a SIGKILL of its parent; the closed channel is the one sign it gets. An orderly exit would wait
// for a decode that hangs.
process.on('disconnect', () => process.kill(process.pid, 'SIGKILL'));
// The service decides when the engine ends; a Ctrl-C in the terminal reaches the whole process group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

function report(message: Report): void {
  // To a parent that has just died it fails, and `disconnect` follows.
  process.send?.(message, undefined, undefined, () => {});
}

function reportError(id: number, error: unknown): void {
  if (error instanceof ChatError && isExpected(error.code)) {
    report({ type: 'error', id, code: error.code, message: error.message, param: error.param });
    return;
  }
  const message = error instanceof Error ? error.message : String(error);
  report({ type: 'error', id, code: 'engine_error', message });
}

function isExpected(code: string): code is 'bad_request' | 'context_overflow' {
  return code === 'bad_request' || code === 'context_overflow';
}

const options = JSON.parse(process.env['LLAMASCOPE_ENGINE'] ?? '{}') as EngineOptions;
const model = await loadModel(options);
const scheduler = createScheduler(model, {
  onFacts: (facts) =>
    report({
      type: 'facts',
      facts,
      batches: model.takeBatches(),
      contextTokens: scheduler.contextTokens(),
    }),
  onFailed: reportError,
  isExpecting: () => prepared.size > 0,
});
const slicedWork = createTurns();
const embeddings = createTurns();
/** Requests that wait for their sequence; undefined while they are being counted. */
const prepared = new Map<number, Prepared | undefined>();

async function prepare(id: number, request: GenerationRequest): Promise<Prepared | undefined> {
  let startedAt = 0;
  prepared.set(id, undefined);
  const result = await slicedWork.take(id, (signal) => {
    startedAt = epochMillis();
    return runSliced(model.prepare(request), signal);
  });
  if (result === undefined) return undefined;
  const inputTokens = result.prompt.length;
  checkRoom(inputTokens, request);
  prepared.set(id, result);
  report({
    type: 'facts',
    facts: [{ id, type: 'tokenized', startedAt, endedAt: epochMillis(), inputTokens }],
    contextTokens: scheduler.contextTokens(),
  });
  return result;
}

/** Past the context's end llama.cpp would drop the first tokens in silence, so it is counted before queueing. */
function checkRoom(inputTokens: number, { prompt, sampling }: GenerationRequest): void {
  const limit = model.facts.contextTokens;
  const wanted = sampling.maxTokens ?? 1;
  if (inputTokens + wanted < limit) return;
  const field = prompt.kind === 'chat' ? 'messages' : 'prompt';
  throw new ChatError(
    'context_overflow',
    `This model holds fewer than ${limit} tokens a conversation: got ${inputTokens} in ${field}, and ${wanted} more ` +
      `were asked for. Shorten the ${field}, or ask for fewer with max_tokens.`,
    { param: sampling.maxTokens === undefined ? field : 'max_tokens' },
  );
}

async function handle(command: Command): Promise<void> {
  const { id } = command;
  switch (command.type) {
    case 'prepare':
      await prepare(id, command.request);
      return;
    case 'generate': {
      // An engine that came back knows nothing of what the one before it had prepared.
      const ready = prepared.get(id) ?? (await prepare(id, command.request));
      prepared.delete(id);
      if (ready !== undefined) scheduler.start(id, ready);
      return;
    }
    case 'tokenize': {
      const result = await slicedWork.take(id, (signal) =>
        runSliced(model.tokenize(command.prompt), signal),
      );
      if (result !== undefined) report({ type: 'result', id, result });
      return;
    }
    case 'embed': {
      const result = await embeddings.take(id, () => model.embed(command.text));
      if (result !== undefined) report({ type: 'result', id, result });
      return;
    }
    case 'cancel':
      slicedWork.cancel(id);
      embeddings.cancel(id);
      prepared.delete(id);
      scheduler.cancel(id);
  }
}

process.on('message', (command: Command) => {
  handle(command).catch((error: unknown) => {
    prepared.delete(command.id);
    reportError(command.id, error);
  });
});
setInterval(() => {
  const contextTokens = scheduler.contextTokens();
  report({ type: 'alive', contextTokens, stepMillis: scheduler.stepMillis() });
}, aliveIntervalMillis);
report({ type: 'ready', facts: model.facts });
