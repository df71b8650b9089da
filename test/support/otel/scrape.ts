/** Reads scrapes for tests: samples by name and labels, and the changes caused by an action. */
import { execFileSync, spawnSync } from 'node:child_process';
import { existsSync } from 'node:fs';
import type { Telemetry } from '../../../otel/sdk.ts';

/** `name{a="1",b="2"}` (labels sorted, without target_info) → value. */
export type Samples = Map<string, number>;

export async function scrapeText(telemetry: Telemetry, accept?: string): Promise<string> {
  const { status, body } = await telemetry.scrape({ accept });
  if (status !== 200) throw new Error(`expected a scrape with 200, got ${status}: ${String(body)}`);
  return String(body);
}

export function parseSamples(text: string): Samples {
  const samples: Samples = new Map();
  for (const line of text.split('\n')) {
    if (line === '' || line.startsWith('#')) continue;
    // An exemplar may follow the value, so the value is matched from the left.
    const match = /^([a-zA-Z_:][a-zA-Z0-9_:]*(?:\{(?:[^"}]|"(?:[^"\\]|\\.)*")*\})?) (\S+)/.exec(
      line,
    );
    const [, key, value] = match ?? [];
    if (key === undefined || value === undefined) throw new Error(`not a sample: ${line}`);
    if (samples.has(key)) throw new Error(`the series is there twice: ${key}`);
    samples.set(key, Number(value.replace('Inf', 'Infinity')));
  }
  return samples;
}

export async function readSamples(telemetry: Telemetry): Promise<Samples> {
  return parseSamples(await scrapeText(telemetry));
}

/** Changes caused by `action` in samples with matching names, except buckets and sums: `{ 'name{labels}': +1 }`. */
export async function changesDuring(
  telemetry: Telemetry,
  action: () => void | Promise<void>,
  matching = /^(inference|gen_ai|http)_/,
): Promise<Record<string, number>> {
  const before = await readSamples(telemetry);
  await action();
  const after = await readSamples(telemetry);
  const changes: Record<string, number> = {};
  for (const [key, value] of after) {
    if (!matching.test(key) || /_(bucket|sum)(\{|$)/.test(key)) continue;
    const change = value - (before.get(key) ?? 0);
    if (change !== 0) changes[key] = change;
  }
  return changes;
}

/** promtool wants no `_count` at the end of a name, but the semantic conventions named this metric. */
const accepted = /^process_unix_file_descriptor_count non-histogram .* "_count" suffix\n/m;

/** The output of `promtool check metrics`; empty if `text` is valid. */
export function checkWithPromtool(text: string): string {
  const options = { input: text, encoding: 'utf8' } as const;
  const { stdout, stderr } = spawnSync(findTool('promtool'), ['check', 'metrics'], options);
  return `${stdout}${stderr}`.replace(accepted, '');
}

/** promtool from PROMTOOL, PATH or the Debian packages in `.tools/`. */
export function findTool(name: 'promtool' | 'prometheus'): string {
  const unpacked = `${process.cwd()}/.tools/debian/usr/bin/${name}`;
  const candidates = [process.env[name.toUpperCase()], name, unpacked];
  const found = candidates.find((candidate) => candidate !== undefined && runs(candidate));
  if (found !== undefined) return found;
  throw new Error(
    `${name}: expected in ${name.toUpperCase()}, on PATH or in ${unpacked}, found in none; run make test, which brings it`,
  );
}

function runs(command: string): boolean {
  if (command.includes('/') && !existsSync(command)) return false;
  try {
    execFileSync(command, ['--version'], { stdio: 'ignore' });
    return true;
  } catch {
    return false;
  }
}
