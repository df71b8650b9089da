/**
 * `make chaos`: hunts requests that delay others. A stream runs while hostile requests are sent, one after the other; those with the
 * longest gap between two tokens of the stream are mutated towards longer ones. Exits with 1 when a request delays a token by more than
 * 500 ms or /healthz by more than 100 ms beyond the same run without hostile requests, ends with a status of 500 or above, or ends the
 * engine. REQUESTS (400) and SEED (1) select the run;
 * VERBOSE=1 prints every request.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { startChatService } from '../support/api/chat-service.ts';
import { makeGguf } from '../support/models/make-gguf.ts';
import { buildRequest, kinds, type Genes } from './hostile-requests.ts';
import { random } from './random.ts';
import { watchHealth, watchStream } from './watches.ts';

const limits = { gapMillis: 500, healthMillis: 100 } as const;
/** A request that waits longer is cancelled: what it costs others until then counts. */
const patienceMillis = 8000;
const baselineMillis = 5000;

interface Find {
  genes: Genes;
  status: number;
  gapMillis: number;
  healthMillis: number;
}

const count = Number(process.env['REQUESTS'] ?? 400);
const dice = random(Number(process.env['SEED'] ?? 1));
const print = (line: string): boolean => process.stdout.write(`${line}\n`);

// The whole vocabulary of Qwen2.5, on which the cost of sampling depends.
const folder = mkdtempSync(path.join(tmpdir(), 'hunt-'));
const out = path.join(folder, 'endless.gguf');
makeGguf({ shape: 'tinyfull', quant: 'q8_0', say: 'On and on it goes. ', loop: true, out });
const service = await startChatService({
  CHAT_MODEL: process.env['HUNT_MODEL'] ?? out,
  CHAT_SEQUENCES: '4',
  CHAT_CONTEXT: '4096',
  CHAT_EMBEDDINGS: 'true',
});
const engine = service.enginePid();
const stream = await watchStream(service.url);
const health = watchHealth(service.url);
await pause(500);
stream.reset();
health.reset();
await pause(baselineMillis);
const base = { gapMillis: stream.longest(), healthMillis: health.longest() };
print(`alone: gap ${base.gapMillis.toFixed(0)} ms, /healthz ${base.healthMillis.toFixed(0)} ms`);

const finds: Find[] = [];
const problems: string[] = [];
for (let at = 0; at < count; at++) {
  const genes = next(at);
  let find = await attempt(genes);
  // Twice more, because other programs delay too.
  for (let again = 0; again < 2 && isOver(find); again++) find = least(find, await attempt(genes));
  finds.push(find);
  if (isOver(find) || find.status >= 500 || process.env['VERBOSE'] === '1') print(describe(find));
  if (isOver(find) || find.status >= 500) problems.push(describe(find));
  if (service.enginePid() === engine) continue;
  problems.push(`the engine ended: ${describe(find)}`);
  break;
}
print('the longest gaps:');
for (const find of best('gapMillis').slice(0, 12)) print(describe(find));
print('the slowest /healthz:');
for (const find of best('healthMillis').slice(0, 5)) print(describe(find));
print(`${problems.length} problems of ${finds.length} requests`);
for (const problem of problems) print(problem);
stream.stop();
health.stop();
await service.stop();
rmSync(folder, { recursive: true });
process.exit(problems.length > 0 ? 1 : 0);

/** At first every kind at random, then mutations of the worst. */
function next(at: number): Genes {
  const names = Object.keys(kinds);
  if (at < 4 * names.length || dice.integer(0, 3) === 0) {
    return {
      kind: names[at % names.length]!,
      size: 10 ** (dice.integer(10, 43) / 10),
      variant: dice.integer(0, 999),
      bias: dice.integer(0, 2) === 0 ? dice.pick([58, 60, 90, 151_643, 1]) : -1,
      stream: dice.integer(0, 1) === 0,
    };
  }
  const { genes } = dice.pick(best(dice.pick(['gapMillis', 'healthMillis'])).slice(0, 8));
  const size = genes.size * dice.pick([0.25, 0.5, 0.8, 1.2, 2, 3]);
  return {
    ...genes,
    size: Math.min(40_000, Math.max(2, size)),
    variant: dice.pick([genes.variant, genes.variant + 1, dice.integer(0, 999)]),
    bias: dice.pick([genes.bias, dice.integer(0, 300)]),
  };
}

async function attempt(genes: Genes): Promise<Find> {
  const { path: route, body } = buildRequest(genes);
  await stream.flowing();
  stream.reset();
  health.reset();
  const status = await send(`${service.url}${route}`, body);
  await pause(50);
  return { genes, status, gapMillis: stream.longest(), healthMillis: health.longest() };
}

/** @returns the status, 0 when patience ended. */
async function send(url: string, body: string): Promise<number> {
  try {
    const signal = AbortSignal.timeout(patienceMillis);
    const response = await fetch(url, { method: 'POST', body, signal });
    await response.arrayBuffer();
    return response.status;
  } catch {
    return 0;
  }
}

function isOver({ gapMillis, healthMillis }: Find): boolean {
  return (
    gapMillis > base.gapMillis + limits.gapMillis ||
    healthMillis > base.healthMillis + limits.healthMillis
  );
}

function least(one: Find, two: Find): Find {
  return {
    ...two,
    status: Math.max(one.status, two.status),
    gapMillis: Math.min(one.gapMillis, two.gapMillis),
    healthMillis: Math.min(one.healthMillis, two.healthMillis),
  };
}

function best(by: 'gapMillis' | 'healthMillis'): Find[] {
  return finds.toSorted((a, b) => b[by] - a[by]);
}

function describe({ genes, status, gapMillis, healthMillis }: Find): string {
  const { kind, size, variant, bias, stream: isStream } = genes;
  return `  gap ${gapMillis.toFixed(0).padStart(5)} ms  /healthz ${healthMillis.toFixed(0).padStart(4)} ms  ${status || 'cancelled'}  ${kind} size ${size.toFixed(0)} variant ${variant} bias ${bias}${isStream ? ' stream' : ''}`;
}
