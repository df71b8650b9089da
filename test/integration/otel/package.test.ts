/** `@llamascope/otel` installed from its tarball, in programs of others, on its oldest Node and on this one. */
import { execFile, spawn } from 'node:child_process';
import { once } from 'node:events';
import { cpSync, mkdirSync, readFileSync, rmSync, unlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import { version } from '../../../otel/version.ts';
import { demoFile } from '../../support/engine/llama-model.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';
import {
  findOldestNode,
  installPackage,
  type InstalledPackage,
} from '../../support/otel/installed-package.ts';
import { inherited } from '../../support/otel/program.ts';
import { checkWithPromtool, parseSamples } from '../../support/otel/scrape.ts';
import { readSpans, type OtlpTrace } from '../../support/otel/trace.ts';

const root = fileURLToPath(new URL('../../..', import.meta.url));
const example = join(root, 'otel/example/completion.js');
const run = promisify(execFile);
let installed: InstalledPackage;

beforeAll(async () => {
  installed = await installPackage();
});

afterAll(() => rmSync(installed.folder, { recursive: true }));

/** Writes a file into the folder. @returns its path. */
function write(name: string, text: string): string {
  const file = join(installed.folder, name);
  writeFileSync(file, text);
  return file;
}

async function runNode(
  node: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const options = { cwd: installed.folder, env: { ...inherited, ...env } };
  const { stdout, stderr } = await run(node, args, options);
  return stdout + stderr;
}

test('the tarball is under 150 kB, has code, types, documents and licence, and no file more', () => {
  const { tarballBytes, files } = installed;
  expect(tarballBytes).toBeLessThan(150_000);
  const others = files.filter((file) => !/^dist\/.*\.(js|d\.ts)$/.test(file));
  expect(others.toSorted()).toEqual([
    'LICENSE',
    'README.md',
    'README.zh-CN.md',
    'example/completion.js',
    'generated/metrics.md',
    'package.json',
  ]);
});

test('its version is that of its code, and it depends on OpenTelemetry, in exact versions, and pino', () => {
  const manifest = JSON.parse(readFileSync(join(root, 'otel/package.json'), 'utf8')) as {
    version: string;
    dependencies: Record<string, string>;
  };
  expect(manifest.version).toBe(version);
  const { dependencies } = manifest;
  const others = Object.keys(dependencies).filter((name) => !/^(@opentelemetry\/|pino)/.test(name));
  expect(others).toEqual([]);
  // They depend on exact versions of each other, and not all of them are in each release: with ranges npm installed 132 MB instead of 48.
  const ranges = Object.entries(dependencies).filter(
    ([name, version]) => name.startsWith('@opentelemetry/') && !/^\d/.test(version),
  );
  expect(ranges).toEqual([]);
});

describe.each(['oldest', 'present'])('on the %s Node', (which) => {
  const node = (): string => (which === 'oldest' ? findOldestNode() : process.execPath);

  test('import and require have every export, and load no SQLite', async () => {
    const names = `[Object.keys(main).toSorted().join(), typeof instrumentation.NodeLlamaCppInstrumentation,
      typeof prometheus.OpenMetricsExporter, process.moduleLoadList.some((name) => name.includes('sqlite'))]`;
    write(
      'imports.mjs',
      `import * as main from '@llamascope/otel';
      import * as instrumentation from '@llamascope/otel/instrumentation';
      import * as prometheus from '@llamascope/otel/prometheus';
      console.log(JSON.stringify(${names}));`,
    );
    write(
      'requires.cjs',
      `const main = require('@llamascope/otel');
      const instrumentation = require('@llamascope/otel/instrumentation');
      const prometheus = require('@llamascope/otel/prometheus');
      console.log(JSON.stringify(${names}));`,
    );
    const library = await import('../../../otel/library.ts');
    const expected = [Object.keys(library).toSorted().join(), 'function', 'function', false];
    const printed = ['imports.mjs', 'requires.cjs'].map((file) =>
      runNode(node(), ['--no-warnings', file]),
    );
    for (const text of await Promise.all(printed)) expect(JSON.parse(text)).toEqual(expected);
  });

  test('the register observes an unchanged program', async () => {
    cpSync(
      join(root, 'test/support/otel/programs/batching.js'),
      join(installed.folder, 'batching.js'),
    );
    mkdirSync(join(installed.folder, 'models'), { recursive: true });
    const out = join(installed.folder, 'models/numbers.gguf');
    makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'one two three four five', loop: true, out });
    write(
      'report.mjs',
      `import { currentTelemetry } from '@llamascope/otel';
      process.prependOnceListener('beforeExit', async () => console.log(String((await currentTelemetry().scrape({})).body)));`,
    );
    const imports = ['--import', '@llamascope/otel/register', '--import', './report.mjs'];
    const env = { NODE_LLAMA_CPP_GPU: 'false', OTEL_EXPORTER_PROMETHEUS_PORT: '0' };
    const printed = await runNode(node(), [...imports, 'batching.js'], env);
    expect(printed).toMatch(/^inference_tokens_total\{type="output"\} 40$/m);
    expect(printed).toMatch(/^inference_requests_total\{outcome="completed",reason="length"\} 4$/m);
    expect(printed).toMatch(/^target_info\{.*service_name="consumer",service_version="1.0.0"/m);
  });
});

test('strict TypeScript compiles with the module resolutions of Node and of bundlers', async () => {
  const program = `
    import { createInferenceTelemetry, observeTokens, startTelemetry, type Telemetry } from '@llamascope/otel';
    import { NodeLlamaCppInstrumentation } from '@llamascope/otel/instrumentation';
    import { OpenMetricsExporter } from '@llamascope/otel/prometheus';
    import '@llamascope/otel/register';
    export const telemetry: Telemetry = startTelemetry({ serviceName: 'a', serviceVersion: '1' });
    const { meter, tracer } = telemetry;
    const inference = createInferenceTelemetry({ meter, tracer, contextTokens: () => 0, state: () => 'ready' });
    async function* numbers(): AsyncGenerator<number, void, void> { yield 1; }
    export const tokens: AsyncGenerator<number, void, void> = observeTokens(inference, { model: 'a', inputTokens: 1 }, numbers());
    export const ready: Promise<void> = new NodeLlamaCppInstrumentation({ enabled: false }).ready;
    export const exporter = new OpenMetricsExporter({ shareMillis: 1 });
    // @ts-expect-error -- a wrong option
    startTelemetry({ serviceName: 1 });`;
  write('program.ts', program);
  const strict =
    '--strict --noEmit --skipLibCheck false --types node --target es2023 --exactOptionalPropertyTypes'.split(
      ' ',
    );
  const tsc = join(root, 'node_modules/.bin/tsc');
  for (const resolution of [
    ['--module', 'nodenext'],
    ['--module', 'esnext', '--moduleResolution', 'bundler'],
  ]) {
    expect(
      await runNode(process.execPath, [
        tsc,
        ...strict,
        ...resolution,
        '--ignoreConfig',
        'program.ts',
      ]),
    ).toBe('');
  }
});

describe('the example', () => {
  test('is under 40 lines', () => {
    expect(readFileSync(example, 'utf8').trim().split('\n').length).toBeLessThan(40);
  });

  test('answers, serves the metrics and the trace of its answer, and ends at SIGTERM', async () => {
    const file = join('node_modules/@llamascope/otel/example/completion.js');
    // The demo model begins its answer with a newline.
    const program = spawn(findOldestNode(), ['--no-warnings', file, demoFile, '\n', '0'], {
      cwd: installed.folder,
    });
    let printed = '';
    program.stdout.on('data', (chunk) => (printed += chunk));
    program.stderr.on('data', (chunk) => (printed += chunk));
    await vi.waitUntil(() => printed.includes('/api/traces/') || program.exitCode !== null, 60_000);
    expect(printed).toContain('llamascope');
    const line = (pattern: RegExp): string => pattern.exec(printed)?.[0] ?? '';

    const text = await (await fetch(line(/^http.*metrics$/m))).text();
    const samples = parseSamples(text);
    const tokens = samples.get('inference_tokens_total{type="output"}') ?? 0;
    expect(tokens).toBeGreaterThan(10);
    expect(samples.get('inference_inter_token_duration_seconds_count')).toBe(tokens - 1);
    expect(samples.get('inference_requests_total{outcome="completed",reason="stop"}')).toBe(1);
    expect(text).toMatch(/^inference_model_info\{architecture="qwen2",.*\} 1$/m);
    expect(text).toMatch(/^process_memory_usage_bytes\{process_role="engine"\} \d+$/m);
    expect(checkWithPromtool(text)).toBe('');

    const trace = (await (await fetch(line(/^http.*traces.*$/m))).json()) as OtlpTrace;
    const spans = readSpans(trace);
    expect(spans.map(({ name }) => name)).toEqual(['prefill', 'decode', 'chat example']);
    expect(spans.at(-1)?.attributes).toMatchObject({
      'inference.outcome': 'completed',
      'inference.reason': 'stop',
    });

    const exited = once(program, 'exit');
    program.kill('SIGTERM');
    expect(await exited).toEqual([0, null]);
  });
});

test('without node-llama-cpp, a registered program runs and one sentence says so', async () => {
  // The last test: the other programs need it.
  unlinkSync(join(installed.folder, 'node_modules/node-llama-cpp'));
  write('plain.cjs', 'console.log(1)');
  const printed = await runNode(process.execPath, [
    '--import',
    '@llamascope/otel/register',
    'plain.cjs',
  ]);
  const sentence =
    /^1\n|@llamascope\/otel: node-llama-cpp was not found from .*plain\.cjs: nothing is observed\.\n/g;
  expect(printed.match(sentence)).toHaveLength(2);
});
