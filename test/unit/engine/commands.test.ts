/** The commands of the host, carried out on a model of plain arrays. */
import { setImmediate as nextTurn } from 'node:timers/promises';
import { expect, test } from 'vitest';
import type { Command, Report } from '../../../src/engine/engine.ts';
import { createCommands, handleCommand } from '../../../src/engine/worker/commands.ts';
import { ask } from '../../support/engine/host.ts';
import { createArrayModel } from '../../support/engine/model.ts';

/** A text becomes one token per character; `bad` is refused. */
function start() {
  const model = createArrayModel({ sequences: 1 });
  const prepared: string[] = [];
  const reports: Report[] = [];
  const commands = createCommands(
    {
      ...model,
      *prepare({ prompt, sampling }) {
        const text = prompt.kind === 'text' ? prompt.text : '';
        prepared.push(text);
        yield;
        if (text === 'bad') throw new Error('bad text');
        const { maxTokens = 1 } = sampling;
        return model.prepared([...Buffer.from(text)], { maxTokens });
      },
    },
    'all',
    (report) => void reports.push(report),
  );
  return {
    commands,
    prepared,
    send: (command: Command) => void handleCommand(commands, command),
    /** The types of the facts that were reported for a request. */
    about: (id: number) =>
      reports.flatMap((report) => {
        if (report.type === 'error' && report.id === id) return [report.code];
        if (report.type !== 'facts') return [];
        return report.facts.filter((fact) => fact.id === id).map(({ type }) => type);
      }),
    settle: async () => {
      for (let turn = 0; turn < 20; turn++) {
        await nextTurn();
        await model.step();
      }
    },
  };
}

const whole = ['tokenized', 'started', 'prefilled', 'token', 'ended'];

test('a request that was prepared once starts by its id', async () => {
  const { send, settle, about, prepared } = start();
  send({ type: 'prepare', id: 1, client: 'one', request: ask('one') });
  await settle();
  expect(about(1)).toEqual(['tokenized']);
  send({ type: 'start', id: 1 });
  await settle();
  expect(about(1)).toEqual(whole);
  expect(prepared).toEqual(['one']);
});

test('a request that is started before it is prepared starts when it is', async () => {
  const { send, settle, about } = start();
  send({ type: 'prepare', id: 1, client: 'one', request: ask('one') });
  send({ type: 'start', id: 1 });
  await settle();
  expect(about(1)).toEqual(whole);
});

test('a request that cannot be prepared is reported once, started or not', async () => {
  const { send, settle, about } = start();
  for (const id of [1, 2]) send({ type: 'prepare', id, client: 'one', request: ask('bad') });
  send({ type: 'start', id: 2 });
  send({ type: 'prepare', id: 3, client: 'one', request: ask('much '.repeat(1000)) });
  await settle();
  expect([1, 2, 3].map(about)).toEqual([['engine_error'], ['engine_error'], ['context_overflow']]);
});

test('nothing is kept of requests that started, failed, or were cancelled before or after they were prepared', async () => {
  const { commands, send, settle, about, prepared } = start();
  send({ type: 'prepare', id: 1, client: 'one', request: ask('one') });
  send({ type: 'prepare', id: 2, client: 'one', request: ask('bad') });
  send({ type: 'prepare', id: 3, client: 'one', request: ask('three') });
  send({ type: 'prepare', id: 4, client: 'one', request: ask('four') });
  send({ type: 'cancel', id: 3 });
  send({ type: 'start', id: 3 });
  send({ type: 'start', id: 1 });
  await settle();
  expect([...commands.prepared.keys()]).toEqual([4]);
  send({ type: 'cancel', id: 4 });
  send({ type: 'start', id: 4 });
  await settle();
  expect(commands.prepared.size).toBe(0);
  expect([3, 4].map(about)).toEqual([[], ['tokenized']]);
  expect(prepared).not.toContain('three');
});

test('a request that is started and cancelled in one turn of the event loop occupies no sequence', async () => {
  const { commands, send, settle, about } = start();
  send({ type: 'prepare', id: 1, client: 'a', request: ask('one', 500) });
  await settle();
  send({ type: 'start', id: 1 });
  send({ type: 'cancel', id: 1 });
  await settle();
  expect(about(1)).toEqual(['tokenized']);
  send({ type: 'prepare', id: 2, client: 'a', request: ask('two') });
  send({ type: 'start', id: 2 });
  await settle();
  expect(about(2)).toEqual(whole);
  expect(commands.prepared.size).toBe(0);
});
