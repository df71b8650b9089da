/** Carries out the commands of the host: prepares requests, hands them to the scheduler, and reports. Used by worker.ts. */
import { monotonicMillis } from '../../../otel/clock.ts';
import { ChatError } from '../../errors.ts';
import type { Command, Embedding, GenerationRequest, Report, SharePrefix } from '../engine.ts';
import type { LoadedModel, Prepared } from './loaded-model.ts';
import { createScheduler, type Scheduler } from './scheduler.ts';
import { createTurns, runSliced, type Turns } from './turns.ts';

export interface Commands {
  readonly model: LoadedModel;
  readonly scheduler: Scheduler;
  readonly report: (message: Report) => void;
  /** Requests from `prepare` to `start`; the result is undefined for a cancelled one. */
  readonly prepared: Map<number, { owner: string; result: Promise<Prepared | undefined> }>;
  readonly sharePrefix: SharePrefix;
  /** Tokenizes one request at a time, between the steps of the scheduler. */
  readonly slicedWork: Turns;
}

export function createCommands(
  model: LoadedModel,
  sharePrefix: SharePrefix,
  report: Commands['report'],
): Commands {
  const prepared: Commands['prepared'] = new Map();
  const scheduler = createScheduler(model, {
    onFacts: (facts) =>
      report({
        type: 'facts',
        facts,
        batches: model.takeBatches(),
        prefixes: scheduler.takePrefixReport(),
        contextTokens: scheduler.contextTokens(),
      }),
    onFailed: (id, error) => report(toErrorReport(id, error)),
  });
  return { model, scheduler, report, prepared, sharePrefix, slicedWork: createTurns() };
}

/** Never rejects: an error is reported to the host, which ends the request. */
export async function handleCommand(commands: Commands, command: Command): Promise<void> {
  try {
    await carryOut(commands, command);
  } catch (error) {
    commands.prepared.delete(command.id);
    commands.report(toErrorReport(command.id, error));
  }
}

async function carryOut(commands: Commands, command: Command): Promise<void> {
  const { model, prepared, slicedWork } = commands;
  const { id } = command;
  switch (command.type) {
    case 'prepare': {
      const owner = commands.sharePrefix === 'all' ? '' : command.client;
      const result = prepare(commands, id, command.request);
      prepared.set(id, { owner, result });
      await result;
      return;
    }
    case 'start':
      return start(commands, id);
    case 'tokenize': {
      const result = await slicedWork.take(id, (signal) =>
        runSliced(model.tokenize(command.prompt), signal, isFree(commands.scheduler)),
      );
      if (result !== undefined) commands.report({ type: 'result', id, result });
      return;
    }
    case 'embed': {
      const result = await embed(commands, id, command.input);
      if (result !== undefined) commands.report({ type: 'result', id, result });
      return;
    }
    case 'cancel':
      slicedWork.cancel(id);
      prepared.delete(id);
      commands.scheduler.cancel(id);
  }
}

function isFree(scheduler: Scheduler): () => boolean {
  return () => !scheduler.isSubmitting();
}

/** @throws ChatError `bad_request` where embeddings are off, and the errors of `Embedder.prepare`. */
async function embed(
  { model, scheduler, slicedWork }: Commands,
  id: number,
  input: string | readonly number[],
): Promise<Embedding | undefined> {
  const { embedder } = model;
  if (embedder === undefined) {
    const message = 'Embeddings are off. Start the service with CHAT_EMBEDDINGS=true.';
    throw new ChatError('bad_request', message);
  }
  const tokens = await slicedWork.take(id, (signal) =>
    runSliced(embedder.prepare(input), signal, isFree(scheduler)),
  );
  if (tokens === undefined) return undefined;
  const vector = await scheduler.embed(id, tokens);
  return vector && { vector, inputTokens: tokens.length };
}

function prepare(
  { model, scheduler, slicedWork, report }: Commands,
  id: number,
  request: GenerationRequest,
): Promise<Prepared | undefined> {
  return slicedWork.take(id, async (signal) => {
    const startedAt = monotonicMillis();
    const result = await runSliced(model.prepare(request), signal, isFree(scheduler));
    if (result === undefined) return undefined;
    const inputTokens = result.prompt.length;
    checkFits(inputTokens, request, model.facts.contextTokens);
    const { droppedKeywords = [] } = result;
    const dropped = droppedKeywords.length > 0 ? { droppedKeywords } : {};
    const endedAt = monotonicMillis();
    report({
      type: 'facts',
      facts: [{ id, type: 'tokenized', startedAt, endedAt, inputTokens, ...dropped }],
      contextTokens: scheduler.contextTokens(),
    });
    return result;
  });
}

async function start({ prepared, scheduler }: Commands, id: number): Promise<void> {
  const pending = prepared.get(id);
  // After a restart the host sends `start` without waiting for the result of `prepare`, whose error is reported by `prepare`.
  const result = await pending?.result.catch(() => undefined);
  // A `cancel` that arrived together with this `start` is carried out before the line above resumes.
  if (prepared.get(id) !== pending) return;
  prepared.delete(id);
  if (pending !== undefined && result !== undefined) scheduler.start(id, result, pending.owner);
}

/**
 * Checked before the request is queued, because llama.cpp drops the first tokens silently when the context is full. An answer that may
 * be longer than the rest of the context ends with it.
 */
function checkFits(inputTokens: number, { prompt }: GenerationRequest, limit: number): void {
  if (inputTokens + 1 < limit) return;
  const field = prompt.kind === 'chat' ? 'messages' : 'prompt';
  throw new ChatError(
    'context_overflow',
    // Clients of Anthropic's API and LiteLLM look for "prompt is too long", and then shorten the conversation.
    `The prompt is too long: it has ${inputTokens} tokens, and with the answer it must have fewer than ${limit}. Shorten the ${field}.`,
    {
      param: field,
      zh: `提示词过长：共 ${inputTokens} 个 token，与回答合计必须少于 ${limit} 个。请缩短 ${field}。`,
    },
  );
}

function toErrorReport(id: number, error: unknown): Report {
  if (error instanceof ChatError) {
    const { code, message, param, recorded, zh } = error;
    return { type: 'error', id, code, message, param, recorded, zh };
  }
  const message = error instanceof Error ? error.message : String(error);
  // A parser quotes the text that it cannot read.
  const recorded = error instanceof SyntaxError ? error.name : message;
  return { type: 'error', id, code: 'engine_error', message, recorded };
}
