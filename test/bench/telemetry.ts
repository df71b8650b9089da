/**
 * `node test/bench/telemetry.ts`: measures the cost of the telemetry. Variables: ROUNDS (7), THREADS (1), MODELS (tiny,bench; empty for
 * none). The report goes to standard output, progress to stderr. Run it on an idle machine.
 */
import { mkdtempSync, rmSync } from 'node:fs';
import { loadavg, tmpdir } from 'node:os';
import path from 'node:path';
import { makeGguf } from '../support/models/make-gguf.ts';
import { writeBenchModel } from './model.ts';
import { writeTable } from './markdown-table.ts';
import { median } from './statistics.ts';
import { measureCost } from './telemetry-cost.ts';
import { measureScrapes, type ScrapeCost } from './telemetry-scrape.ts';
import { measureRatios, type Ratio, type Workload } from './telemetry-service.ts';

const rounds = Number(process.env['ROUNDS'] ?? 7);
const threads = Number(process.env['THREADS'] ?? 1);
const models = (process.env['MODELS'] ?? 'tiny,bench').split(',').filter((name) => name !== '');

/** The tiny model decodes thousands of tokens a second, which makes the cost per token visible. */
function planWorkloads(folder: string): Workload[] {
  const plans = {
    tiny: () => ({ modelPath: makeTiny(folder), outputTokens: 400 }),
    bench: () => ({ modelPath: writeBenchModel(), outputTokens: 48 }),
  };
  return models.flatMap((model) => {
    const plan = plans[model as keyof typeof plans];
    if (plan === undefined) throw new Error(`MODELS: expected tiny or bench, got "${model}"`);
    const { modelPath, outputTokens } = plan();
    return [1, 8].map((streams) => ({ model, modelPath, outputTokens, streams }));
  });
}

function makeTiny(folder: string): string {
  const out = path.join(folder, 'tiny.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'On and on.', loop: true, out });
  return out;
}

function progress(text: string): void {
  process.stderr.write(`${text}, load ${(loadavg()[0] ?? NaN).toFixed(2)}\n`);
}

function writeScrapes(scrapes: readonly ScrapeCost[]): string {
  const rows = scrapes.flatMap(({ series, ours, promClient }) =>
    Object.entries({ ours, 'prom-client': promClient }).map(([name, timing]) => [
      String(series),
      name,
      timing.p50Millis.toFixed(2),
      timing.stallP50Millis.toFixed(2),
      timing.stallP95Millis.toFixed(2),
      timing.stallMaxMillis.toFixed(2),
      String(Math.round(timing.bytes / 1024)),
    ]),
  );
  return writeTable(['series', 'scrape', 'p50 ms', 'stall p50 ms', 'p95', 'longest', 'KiB'], rows);
}

function writeRatios(ratios: readonly Ratio[]): string {
  const rows = ratios.map(({ model, streams, on, off }) => {
    const pairs = on.map((speed, round) => speed / (off[round] ?? NaN));
    const range = `${Math.min(...pairs).toFixed(3)} to ${Math.max(...pairs).toFixed(3)}`;
    const speeds = [median(on), median(off)].map((speed) => speed.toFixed(1));
    return [model, String(streams), ...speeds, median(pairs).toFixed(3), range];
  });
  return writeTable(
    ['model', 'streams', 'tokens/s on', 'tokens/s off', 'on / off, median of rounds', 'range'],
    rows,
  );
}

async function main(): Promise<void> {
  const folder = mkdtempSync(path.join(tmpdir(), 'telemetry-bench-'));
  try {
    progress('cost of a request');
    const cost = measureCost(rounds);
    progress('scrapes');
    const scrapes = [
      await measureScrapes(1000, 20 * rounds),
      await measureScrapes(10_000, 5 * rounds),
    ];
    const ratios = await measureRatios(planWorkloads(folder), {
      rounds,
      threads,
      onRound: progress,
    });
    const micros = [cost.tokenMicros, cost.requestMicros, cost.coldRequestMicros];
    const sections = [
      writeTable(
        ['µs per token', 'µs per request, warm', 'of the first 200'],
        [micros.map((value) => value.toFixed(2))],
      ),
      writeScrapes(scrapes),
      ...(ratios.length === 0 ? [] : [writeRatios(ratios)]),
    ];
    process.stdout.write(`${sections.join('\n\n')}\n`);
  } finally {
    rmSync(folder, { recursive: true });
  }
}

await main();
