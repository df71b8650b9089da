/**
 * `node test/bench/tap.ts`: measures how much later the first byte of an answer comes through the tap, and what of it is the
 * new connection, and what any proxy in Node.js adds. Each round asks in turns: directly on a kept connection, directly on a new one,
 * through a bare proxy, through the tap.
 * Variables: BACKEND_URL (a server that answers at once), ROUNDS (500). Fails when the goal is missed: 1 ms at p50.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
import { fileURLToPath } from 'node:url';
import { startProcess } from '../support/otel/service-process.ts';
import { startStandIn, streams } from '../support/tap/stand-in.ts';
import { writeTable } from './markdown-table.ts';
import { percentile } from './statistics.ts';

const goalMillis = 1;
const warmUp = 50;
const rounds = Number(process.env['ROUNDS'] ?? 500);

const kept = new Agent({ keepAlive: true, maxSockets: 1 });
const body = JSON.stringify({
  messages: [{ role: 'user', content: 'Say yes.' }],
  max_tokens: 4,
  temperature: 0,
  stream: true,
});

/** Milliseconds until the first byte of the body. The answer is read to its end, so that requests do not overlap. */
async function firstByte(url: string, agent: Agent | false): Promise<number> {
  const startedAt = performance.now();
  const asked = request(`${url}/v1/chat/completions`, {
    method: 'POST',
    agent,
    headers: { 'content-type': 'application/json', 'content-length': Buffer.byteLength(body) },
  }).end(body);
  const [answer] = (await once(asked, 'response')) as [IncomingMessage];
  if (answer.statusCode !== 200) throw new Error(`expected 200, got ${answer.statusCode}`);
  let millis = Number.NaN;
  answer.once('data', () => (millis = performance.now() - startedAt));
  await once(answer, 'end');
  return millis;
}

const standIn = await startStandIn();
standIn.reply = { headers: { 'content-type': 'text/event-stream' }, body: streams.llamaServer };
const backend = process.env['BACKEND_URL'] ?? standIn.url;
const tap = await startProcess('src/main.ts', { CHAT_PORT: '0', BACKEND_URL: backend });

const program = fileURLToPath(new URL('bare-proxy.ts', import.meta.url));
const bare = spawn(process.execPath, [program], {
  env: { ...process.env, BACKEND_URL: backend },
  stdio: ['ignore', 'pipe', 'inherit'],
});
const [port] = (await once(bare.stdout, 'data')) as [Buffer];
const bareUrl = `http://127.0.0.1:${port.toString().trim()}`;

const ways = {
  'directly, on a kept connection': () => firstByte(backend, kept),
  'directly, on a new connection': () => firstByte(backend, false),
  'through a bare proxy': () => firstByte(bareUrl, kept),
  'through the tap': () => firstByte(tap.url, kept),
};
type Way = keyof typeof ways;
const names = Object.keys(ways) as Way[];
const samples: Record<Way, number>[] = [];
for (let round = 0; round < warmUp + rounds; round += 1) {
  const sample = {} as Record<Way, number>;
  for (const at of names.keys()) {
    const name = names[(at + round) % names.length]!;
    sample[name] = await ways[name]();
  }
  if (round >= warmUp) samples.push(sample);
}
await tap.stop();
bare.kill();
standIn.close();

const added = (name: Way): number[] =>
  samples.map((sample) => sample[name] - sample['directly, on a kept connection']);
const rows: [string, number[]][] = [
  ...names.map((name): [string, number[]] => [name, samples.map((sample) => sample[name])]),
  ...names.slice(1).map((name): [string, number[]] => [`added: ${name}`, added(name)]),
];
const show = (values: number[], percent: number): string => percentile(values, percent).toFixed(2);
const table = rows.map(([name, values]) => [name, show(values, 50), show(values, 95)]);
process.stdout.write(
  `${writeTable(['first byte, ms', 'p50', 'p95'], table)}\n${rounds} rounds; goal: the tap adds at most ${goalMillis} ms at p50\n`,
);
process.exitCode = percentile(added('through the tap'), 50) <= goalMillis ? 0 : 1;
