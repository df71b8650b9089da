/** A program as users run it, `node --import ./otel/register.ts program`, under the standard OTEL_* variables. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';

const root = fileURLToPath(new URL('../..', import.meta.url));
let folder: string;

beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'register-'));
});

afterAll(() => rmSync(folder, { recursive: true }));

interface Run {
  code: number | null;
  /** Lines of standard output: what the program printed, and log lines. */
  lines: string[];
  stderr: string;
}

/** Runs a program that may say `telemetry`, `createLogger` and `print`. */
async function run(
  program: string,
  env: Record<string, string> = {},
  imported = true,
): Promise<Run> {
  const file = join(folder, `${Math.random()}.mjs`);
  const head = [
    `import { currentTelemetry } from '${root}otel/sdk.ts';`,
    `import { createLogger } from '${root}otel/logger.ts';`,
    `const telemetry = currentTelemetry();`,
    `const print = (value) => console.log(JSON.stringify(value));`,
  ];
  writeFileSync(file, [...head, program].join('\n'));
  const args = imported ? ['--import', './otel/register.ts', file] : [file];
  const child = spawn(process.execPath, args, {
    cwd: root,
    env: { PATH: process.env['PATH'], ...env },
  });
  let stdout = '';
  let stderr = '';
  child.stdout.on('data', (chunk) => (stdout += chunk));
  child.stderr.on('data', (chunk) => (stderr += chunk));
  const [code] = (await once(child, 'close')) as [number | null];
  return { code, lines: stdout.split('\n').filter((line) => line !== ''), stderr };
}

const printTarget = `
  const { body } = await telemetry.scrape({});
  print(/^target_info.*$/m.exec(String(body))?.[0] ?? String(body));
  await telemetry.shutdown();`;
const oneSpan = `telemetry.tracer.startSpan('work').end(); print(telemetry.traces.list().length);`;

describe('the resource', () => {
  test('is the package, its version and an instance', async () => {
    const { lines } = await run(printTarget);
    expect(JSON.parse(lines[0] ?? '')).toMatch(
      /^target_info\{service_instance_id="[0-9a-f-]{36}",service_name="llamascope",service_version="\d+\.\d+\.\d+"\} 1$/,
    );
  });

  test('takes its name and attributes from OTEL_SERVICE_NAME and OTEL_RESOURCE_ATTRIBUTES', async () => {
    const { lines } = await run(printTarget, {
      OTEL_SERVICE_NAME: 'notifier',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=lab,service.name=loses',
    });
    expect(lines[0]).toContain('deployment_environment_name=\\"lab\\"');
    expect(lines[0]).toContain('service_name=\\"notifier\\"');
  });
});

describe('without the register', () => {
  test('a program is told how to run', async () => {
    const { code, stderr } = await run('', {}, false);
    expect(code).toBe(1);
    expect(stderr).toContain('Run the program with `node --import ./otel/register.ts`');
  });
});

describe('the variables', () => {
  test('OTEL_SDK_DISABLED: the program runs, nothing is measured', async () => {
    const { code, lines } = await run(`${oneSpan}${printTarget}`, { OTEL_SDK_DISABLED: 'true' });
    expect([code, lines[0]]).toEqual([0, '0']);
    expect(lines[1]).toContain('nothing is measured');
  });

  test('OTEL_TRACES_SAMPLER: what is not sampled is not kept', async () => {
    expect((await run(oneSpan, { OTEL_TRACES_SAMPLER: 'always_off' })).lines).toEqual(['0']);
  });
});

describe('a log line', () => {
  test('has the ids of the active trace, its level as a word and its time', async () => {
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

describe('export', () => {
  let collector: Server;
  let url: string;
  const received: string[] = [];

  beforeAll(async () => {
    collector = createServer((request, response) => {
      let body = '';
      request.on('data', (chunk) => (body += chunk));
      request.on('end', () => {
        received.push(`${request.url} ${body}`);
        response.end('{}');
      });
    });
    collector.listen(0, '127.0.0.1');
    await once(collector, 'listening');
    url = `http://127.0.0.1:${(collector.address() as AddressInfo).port}`;
  });

  afterAll(() => collector.close());

  test('sends every span to OTEL_EXPORTER_OTLP_ENDPOINT, at the latest at shutdown', async () => {
    await run(`${oneSpan} await telemetry.shutdown();`, { OTEL_EXPORTER_OTLP_ENDPOINT: url });
    expect(received).toEqual([expect.stringMatching(/^\/v1\/traces .*"name":"work"/)]);
  });

  test('counts what it drops when the collector is slower than the spans', async () => {
    const { lines } = await run(
      `for (let index = 0; index < 50; index += 1) telemetry.tracer.startSpan('work').end();
       const { body } = await telemetry.scrape({});
       print(/^otel_sdk_processor_span_processed_total\\{error_type="queue_full"\\} (\\d+)$/m.exec(String(body))?.[1]);
       process.exit();`,
      {
        OTEL_EXPORTER_OTLP_ENDPOINT: url,
        OTEL_BSP_MAX_QUEUE_SIZE: '10',
        OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '10',
      },
    );
    expect(Number(JSON.parse(lines[0] ?? ''))).toBeGreaterThanOrEqual(20);
  });

  test('to a collector that is not there does not fail the program, which stops in two seconds', async () => {
    const { code, lines } = await run(
      `${oneSpan} const startedAt = Date.now(); await telemetry.shutdown(); print(Date.now() - startedAt < 2000); process.exit();`,
      { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9' },
    );
    expect(code).toBe(0);
    expect(lines).toContain('true');
    const told = /telemetry (did not stop in time|stopped with an error)/;
    expect(lines.filter((line) => told.test(line))).toHaveLength(1);
  });
});
