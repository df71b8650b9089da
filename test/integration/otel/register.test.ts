/** A program as users run it, `node --import ./otel/register.ts program`, under the standard OTEL_* variables. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { runRegistered, type Run } from '../../support/otel/program.ts';

let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'register-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

function run(program: string, env: Record<string, string> = {}, imported = true): Promise<Run> {
  return runRegistered(folder, program, { env, imported });
}

const printTarget = `
  const { body } = await telemetry.scrape({});
  print(/^target_info.*$/m.exec(String(body))?.[0] ?? String(body));
  await telemetry.shutdown();`;
const oneSpan = `telemetry.tracer.startSpan('work').end(); print((await telemetry.traces.list()).counts.all);`;

describe('the resource', () => {
  test('has name, version and instance of the service, and the SDK, and nothing else', async () => {
    const { lines } = await run(printTarget);
    expect(JSON.parse(lines[0] ?? '')).toMatch(
      /^target_info\{service_instance_id="[0-9a-f-]{36}",service_name="llamascope",service_version="\d+\.\d+\.\d+",telemetry_sdk_language="nodejs",telemetry_sdk_name="opentelemetry",telemetry_sdk_version="[\d.]+"\} 1$/,
    );
  });
});

describe('without the register', () => {
  test('the error names the command to run a program', async () => {
    const { code, stderr } = await run('', {}, false);
    expect(code).toBe(1);
    expect(stderr).toContain('Run the program with `node --import ./otel/register.ts`');
  });
});

describe('the variables', () => {
  test('OTEL_TRACES_SAMPLER: an unsampled trace is not stored', async () => {
    expect((await run(oneSpan, { OTEL_TRACES_SAMPLER: 'always_off' })).lines).toEqual(['0']);
  });
});

describe('a log line', () => {
  test('has the ids of the active span, its level as a word and its time', async () => {
    const { lines } = await run(`
      const log = createLogger({ name: 'chat' });
      telemetry.tracer.startActiveSpan('work', (span) => {
        print(span.spanContext());
        log.info({ tokens: 3 }, 'inside');
        span.end();
      });
      log.debug('not at this level');
      log.warn('outside');`);
    const [context, inside, outside] = lines.map((line) => JSON.parse(line));
    expect(inside).toMatchObject({
      level: 'info',
      name: 'chat',
      tokens: 3,
      msg: 'inside',
      time: expect.stringMatching(/^\d{4}-\d\d-\d\dT.*Z$/),
      trace_id: context.traceId,
      span_id: context.spanId,
    });
    expect(outside).not.toHaveProperty('trace_id');
    expect(lines).toHaveLength(3);
  });
});

describe('LOG_FORMAT', () => {
  const program = `createLogger({ name: 'chat' }).info({ tokens: 3 }, 'hello');`;

  test('pretty is one readable line', async () => {
    const { lines } = await run(program, { LOG_FORMAT: 'pretty' });
    expect(lines).toEqual([expect.stringMatching(/^\[.*\] INFO \(chat\): hello {"tokens":3}$/)]);
  });

  test.each([
    ['LOG_FORMAT', 'LOG_FORMAT: expected one of json, pretty, got "xml"\n'],
    [
      'LOG_LEVEL',
      'LOG_LEVEL: expected one of fatal, error, warn, info, debug, trace, silent, got "xml"\n',
    ],
  ])('%s with another value is an error of one sentence', async (name, sentence) => {
    const { code, lines, stderr } = await run(program, { [name]: 'xml' });
    expect([code, lines, stderr]).toEqual([1, [], sentence]);
  });
});
