/** The engine process: forked by host.ts, loads the model, takes commands and reports facts over IPC. */
import { epochMillis } from '../clock.ts';
import type { Command, EngineOptions, Prompt, Report } from './engine.ts';
import { loadModel } from './llama.ts';
import { createScheduler } from './scheduler.ts';

const aliveIntervalMillis = 1000;

// A busy fork outlives a SIGKILL of its parent; the closed channel is the one sign it gets.
process.on('disconnect', () => process.exit(0));
// The service decides when the engine ends; a Ctrl-C in the terminal reaches the whole process group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});

function report(message: Report): void {
  process.send?.(message);
}

function sentence(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

const options = JSON.parse(process.env['LLAMASCOPE_ENGINE'] ?? '{}') as EngineOptions;
const model = await loadModel(options);
const scheduler = createScheduler(model, {
  facts: (facts) => report({ type: 'facts', facts, contextTokens: scheduler.contextTokens() }),
  failed: (id, error) =>
    report({ type: 'error', id, code: 'engine_error', message: sentence(error) }),
});
/** Prompts that were counted and wait for their sequence. */
const tokenized = new Map<number, readonly number[]>();

function tokenize(id: number, prompt: Prompt): void {
  const startedAt = epochMillis();
  const tokens = model.tokenize(prompt);
  tokenized.set(id, tokens);
  report({
    type: 'facts',
    facts: [
      { id, type: 'tokenized', startedAt, endedAt: epochMillis(), inputTokens: tokens.length },
    ],
    contextTokens: scheduler.contextTokens(),
  });
}

function handle(command: Command): void {
  switch (command.type) {
    case 'tokenize':
      return tokenize(command.id, command.prompt);
    case 'generate': {
      const prompt = tokenized.get(command.id) ?? model.tokenize(command.request.prompt);
      tokenized.delete(command.id);
      return scheduler.start(command.id, prompt, command.request);
    }
    case 'cancel':
      tokenized.delete(command.id);
      return scheduler.cancel(command.id);
  }
}

process.on('message', (command: Command) => {
  try {
    handle(command);
  } catch (error) {
    report({ type: 'error', id: command.id, code: 'engine_error', message: sentence(error) });
  }
});
setInterval(
  () => report({ type: 'alive', contextTokens: scheduler.contextTokens() }),
  aliveIntervalMillis,
);
report({ type: 'ready', facts: model.facts });
