/** `BACKEND_URL=… make up`: no engine of ours, requests that are forwarded and counted, and a backend that is gone. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { findOwnProcesses } from '../../../stack/native/supervisor/processes.ts';
import { freePort } from '../../support/free-ports.ts';
import { createSandbox, type Sandbox } from '../../support/stack/sandbox.ts';
import { startStandIn, streams, type StandIn } from '../../support/tap/stand-in.ts';
import { until } from '../../support/until.ts';

let backend: StandIn;
let sandbox: Sandbox;
let port: number;

beforeAll(async () => {
  port = await freePort();
  backend = await startStandIn(port);
  backend.reply = { headers: { 'content-type': 'text/event-stream' }, body: streams.llamaServer };
  sandbox = await createSandbox({ BACKEND_URL: `${backend.url}/v1`, CHAT_MODEL: 'no-such-model' });
});
afterAll(async () => {
  backend.close();
  await sandbox[Symbol.asyncDispose]();
});

const ask = () =>
  fetch(`http://127.0.0.1:${sandbox.env['CHAT_PORT']}/v1/chat/completions`, { method: 'POST' });

/** The values of a query, by the label `state` or `alertstate`. */
async function query(expr: string): Promise<string[]> {
  const url = `http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}/api/v1/query?query=${encodeURIComponent(expr)}`;
  const { data } = (await (await fetch(url)).json()) as { data: { result: Result[] } };
  return data.result.map(({ metric, value }) => metric['state'] ?? value[1]);
}
interface Result {
  metric: Record<string, string>;
  value: [number, string];
}

test('starts without a model, and names the model of the backend', async () => {
  const { code, text } = await sandbox.run('up');
  expect([code, text]).toEqual([0, expect.stringContaining('Its first model: m\n')]);
  // With an engine of ours there would be a second one.
  const chats = findOwnProcesses(sandbox.runDir).filter(({ name }) => name === 'chat');
  expect(chats).toHaveLength(1);
});

test('requests pass byte for byte, and Prometheus counts them', async () => {
  expect(await (await ask()).text()).toBe(streams.llamaServer.join(''));
  const completed = 'inference_requests_total{outcome="completed", reason="stop"}';
  await until(async () => (await query(completed))[0] === '1');
});

test('a backend that is gone is unreachable until it is back, with the same processes', async () => {
  backend.close();
  expect((await ask()).status).toBe(502);
  await until(async () => (await query('inference_state == 1'))[0] === 'unreachable');
  const refused = 'inference_requests_total{outcome="failed", reason="engine_exit"}';
  await until(async () => (await query(refused))[0] === '1');
  expect(await query('inference_ready')).toEqual(['0']);

  backend = await startStandIn(port);
  await until(async () => (await query('inference_state == 1'))[0] === 'ready');
  const { text } = await sandbox.run('status');
  expect(text).toMatch(/chat +healthy .* 0 /);
});
