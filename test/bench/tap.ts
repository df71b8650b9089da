/**
 * `node test/bench/tap.ts`: measures how much later the first byte of an answer comes through the tap, and what one kept connection to
 * the server would save. Each round asks three ways, in turns: directly on a kept connection, directly on a new one, through the tap.
 * Variables: BACKEND_URL (a server that answers at once), ROUNDS (500). Fails when the goal is missed: 1 ms at p50.
 */
import { once } from 'node:events';
import { Agent, request, type IncomingMessage } from 'node:http';
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

const ways = {
  'directly, on a kept connection': () => firstByte(backend, kept),
  'directly, on a new connection': () => firstByte(backend, false),
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
standIn.close();

const [first, second, third] = names as [Way, Way, Way];
const added = samples.map((sample) => sample[third] - sample[first]);
const rows: [string, number[]][] = [
  ...names.map((name): [string, number[]] => [name, samples.map((sample) => sample[name])]),
  ['a new connection, pair by pair', samples.map((sample) => sample[second] - sample[first])],
  ['the tap, pair by pair', added],
];
const show = (values: number[], percent: number): string => percentile(values, percent).toFixed(2);
const table = rows.map(([name, values]) => [name, show(values, 50), show(values, 95)]);
process.stdout.write(
  `${writeTable(['first byte, ms', 'p50', 'p95'], table)}\n${rounds} rounds; goal: the tap adds at most ${goalMillis} ms at p50\n`,
);
process.exitCode = percentile(added, 50) <= goalMillis ? 0 : 1;
