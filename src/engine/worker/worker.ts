/** The engine process, after entry.ts: loads the model and connects commands.ts to the IPC channel. */
import { flushCompileCache } from 'node:module';
import { setTimeout as delay } from 'node:timers/promises';
import type { Command, EngineOptions, Report } from '../engine.ts';
import { createCommands, handleCommand } from './commands.ts';
import { readCpuTimes } from './llama/machine.ts';
import { loadModel } from './llama/model.ts';
import { findMemoryFolder } from './llama/state-memory.ts';
import { createThreadGovernor, govern } from './thread-governor.ts';

const aliveIntervalMillis = 500;
/** llama.cpp's log lines reach this thread through the event loop, after the error of the load. */
const lastLinesMillis = 100;

function report(message: Report): void {
  // Sending to a parent that has just died fails; `disconnect` follows.
  process.send?.(message, undefined, undefined, () => {});
}

const options = JSON.parse(process.env['LLAMASCOPE_ENGINE'] ?? '{}') as EngineOptions;
const model = await loadModel(options, findMemoryFolder()).catch(failToLoad);
const commands = createCommands(model, options.sharePrefix, report);

let governor = createThreadGovernor(model.facts.threads);

/** Between two batches: the new number counts from the next one on. */
function adjustThreads(): void {
  const reading = readCpuTimes();
  if (model.setThreads === undefined || reading === undefined) return;
  const { threads } = governor;
  governor = govern(governor, reading);
  if (governor.threads !== threads) model.setThreads(governor.threads);
}

process.on('message', (command: Command) => void handleCommand(commands, command));
setInterval(() => {
  adjustThreads();
  const { scheduler } = commands;
  const [contextTokens, stepMillis] = [scheduler.contextTokens(), scheduler.stepMillis()];
  report({ type: 'alive', contextTokens, stepMillis, threads: governor.threads });
}, aliveIntervalMillis);
report({ type: 'ready', facts: model.facts });
// Node writes its compile cache at exit, but this process ends by SIGKILL. With it the next engine starts a fifth faster (measured).
flushCompileCache();

/** The parent reads the cause from stderr, because a file that aborts llama.cpp leaves no other trace. */
async function failToLoad(error: Error): Promise<never> {
  await delay(lastLinesMillis);
  process.stderr.write(`${error.message}\n`);
  process.exit(1);
}
