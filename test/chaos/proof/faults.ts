/** The table of faults: what happens to one chat service under load, what its clients get, what its operator sees, how it recovers. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { startChatService } from '../../support/api/chat-service.ts';
import { makeGguf } from '../../support/models/make-gguf.ts';
import { until } from '../../support/until.ts';
import { startClient, type Outcome } from '../clients.ts';
import { random } from '../random.ts';
import { clockFaults } from './clock-faults.ts';
import { collectorFaults } from './collector-faults.ts';
import { diskFaults } from './disk-faults.ts';
import { engineFaults } from './engine-faults.ts';
import type { Fault, World } from './fault.ts';
import { scrape, sumOf } from './readings.ts';
import { claim, type Row, type Section } from './section.ts';
import { testedFaults } from './tested-faults.ts';

const faults: Readonly<Record<string, Fault>> = {
  ...engineFaults,
  ...clockFaults,
  ...diskFaults,
  ...collectorFaults,
};

export const faultSection: Section = {
  title: 'Faults',
  introduction:
    'Each fault strikes a service of 2 sequences while 6 clients are answered or wait, and 3 more come. A client that is not answered must get an error frame in its stream, or 503 or 429 with Retry-After: anything else is a miss, and so is a request without exactly one outcome in `/metrics`. The rows with a link are tests that `make test` runs. The faults of the notifier are in [its own table](../../alerting/generated/fault-matrix.md).',
  columns: ['fault', 'clients get', 'the operator sees', 'it recovers', 'lost'],
  parts: {
    ...Object.fromEntries(
      Object.entries(faults).map(([name, fault]) => [name, () => tryFault(fault)]),
    ),
    tests: testedFaults,
  },
};

async function tryFault(fault: Fault): Promise<Row[]> {
  await using ends = new AsyncDisposableStack();
  const folder = mkdtempSync(path.join(tmpdir(), 'fault-'));
  ends.defer(() => rmSync(folder, { recursive: true, force: true }));
  ends.defer(async () => fault.dispose?.());
  const model = path.join(folder, 'endless.gguf');
  makeGguf({ shape: 'tiny', quant: 'q8_0', say: 'On and on it goes. ', loop: true, out: model });
  const reason = await fault.prepare?.({ folder, model });
  if (reason !== undefined) {
    return [{ cells: [fault.what, `not tried: ${reason}`, '', '', ''], verdict: 'skipped' }];
  }
  const { env = {}, before = [] } = fault.start?.({ folder, model }) ?? {};
  const settings = {
    CHAT_MODEL: model,
    CHAT_SEQUENCES: '2',
    CHAT_CONTEXT: '2048',
    CHAT_QUEUE_LIMIT: '9',
    CHAT_EMBEDDINGS: 'true',
    CHAT_HANG_SECONDS: '2',
    ...env,
  };
  const service = await startChatService(settings, { before });
  ends.defer(async () => void (await service.stop()));
  return [await strikeUnderLoad(fault, { folder, model, service })];
}

async function countOutcomes(url: string): Promise<number> {
  const samples = await scrape(url);
  return (
    sumOf(samples, 'inference_requests_total') +
    sumOf(samples, 'inference_embeddings_requests_total')
  );
}

async function strikeUnderLoad(fault: Fault, world: World): Promise<Row> {
  const { service } = world;
  const dice = random(1);
  const start = (count: number) =>
    Array.from({ length: count }, () => startClient(service.url, dice));
  const early = start(6);
  await Promise.race(early.map(({ firstByte }) => firstByte));
  await fault.strike(world);
  const struckAt = performance.now();
  const late = start(3);
  const seen = await fault.operator(world).catch((error: unknown) => error as Error);
  await fault.heal?.(world);
  const isReady = async (): Promise<boolean> => (await fetch(`${service.url}/readyz`)).ok;
  const isBack = await until(isReady, 60).then(
    () => true,
    () => false,
  );
  const seconds = (performance.now() - struckAt) / 1000;
  const outcomes = await Promise.all([...early, ...late].map(({ outcome }) => outcome));
  const probe = await startClient(service.url, dice).outcome;
  const sent = outcomes.length + 1;
  let counted = 0;
  // Collections within a second share one result.
  await until(async () => (counted = await countOutcomes(service.url)) === sent, 3).catch(() => {});
  const problems = [...outcomes, probe].flatMap(({ problem }) => problem ?? []);
  const unanswered = outcomes.filter(({ ending }) => ending !== 'answer').length;
  const recovery = isBack
    ? `${fault.healedBy ?? 'by itself'}${unanswered === 0 && fault.heal === undefined ? ', it was never away' : `, ready after ${seconds.toFixed(1)} s`}`
    : '**not within 60 s**';
  const lost = `${unanswered === 0 ? 'nothing' : `${unanswered} answers, whose clients were told`}${counted === sent ? '' : `; ${counted} outcomes of ${sent} requests`}`;
  const holds =
    isBack &&
    problems.length === 0 &&
    probe.ending === 'answer' &&
    counted === sent &&
    typeof seen === 'string' &&
    (fault.losesAnswers || unanswered === 0);
  const operator = typeof seen === 'string' ? seen : `**${seen.message}**`;
  const { verdict } = claim('', '', holds);
  return { cells: [fault.what, describe(outcomes, problems), operator, recovery, lost], verdict };
}

function describe(outcomes: readonly Outcome[], problems: readonly string[]): string {
  const names = { answer: 'answers', error_frame: 'error frames', 503: '503', 429: '429' };
  const counts = Object.entries(names).flatMap(([ending, name]) => {
    const count = outcomes.filter((outcome) => outcome.ending === ending).length;
    return count === 0 ? [] : [`${count} × ${name}`];
  });
  return [...counts, ...problems.map((problem) => `**${problem}**`)].join(', ');
}
