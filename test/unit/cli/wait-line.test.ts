/** The line about the wait that `make chat` shows. */
import { expect, test } from 'vitest';
import { createWaitLine, describeWait } from '../../../src/cli/wait-line.ts';

test.each([
  [
    'queued {"position":33,"seconds":40}',
    'In the queue: place 33, about 40 s',
    '排队中：第 33 位，约 40 秒',
  ],
  ['queued {"position":1}', 'In the queue: place 1', '排队中：第 1 位'],
  ['prefill {"evaluated":512,"tokens":900}', 'Reading the prompt: 57 %', '正在预填充提示词：57%'],
])('%s is a sentence', (comment, en, zh) => {
  expect(describeWait(comment)).toEqual({ en, zh });
});

test.each([
  'queued {}',
  'queued',
  'queued {x}',
  'prefill {"evaluated":0,"tokens":0}',
  'keep-alive',
])('%s shows nothing', (comment) => expect(describeWait(comment)).toBeUndefined());

test('the line is rewritten, then cleared; a pipe gets nothing', () => {
  const written: string[] = [];
  const out = { isTTY: true, write: (text: string) => written.push(text) };
  const line = createWaitLine(out as unknown as NodeJS.WriteStream, ({ en }) => en);
  line.clear();
  line.show('queued {"position":2}');
  line.show('queued {"position":1}');
  line.clear();
  const clear = '\r\u001B[K';
  expect(written).toEqual(['In the queue: place 2', clear, 'In the queue: place 1', clear]);
  out.isTTY = false;
  line.show('queued {"position":1}');
  expect(written).toHaveLength(4);
});
