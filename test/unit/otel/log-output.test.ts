/** Log lines into a real pipe whose reader stands still, and into a device that is full. */
import { spawnSync } from 'node:child_process';
import { closeSync, constants, mkdtempSync, openSync, readSync, writeSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { createLogOutput, droppedLines } from '../../../otel/log-output.ts';

const describeLoss = (lines: number, code: string): string => `${lines} lost ${code}\n`;

function openPipe(): { reader: number; writer: number } {
  const file = path.join(mkdtempSync(path.join(tmpdir(), 'pipe-')), 'pipe');
  spawnSync('mkfifo', [file]);
  const reader = openSync(file, constants.O_RDONLY | constants.O_NONBLOCK);
  return { reader, writer: openSync(file, constants.O_WRONLY) };
}

function readAll(reader: number): string {
  let text = '';
  const buffer = Buffer.alloc(65_536);
  try {
    for (let size; (size = readSync(reader, buffer)) > 0;) text += buffer.toString('utf8', 0, size);
  } catch {
    // EAGAIN: empty.
  }
  return text;
}

test('lines that the reader of a pipe has no room for are lost, and the next line that fits says so', () => {
  const { reader, writer } = openPipe();
  const output = createLogOutput(describeLoss, writer);
  output.write('first\n');
  const before = droppedLines();
  // Longer than the pipe, so it is cut.
  output.write(`${'x'.repeat(200_000)}\n`);
  output.write('second\n');
  expect(droppedLines() - before).toBe(2);
  expect(readAll(reader)).toMatch(/^first\nx+$/);
  output.write('third\n');
  output.write('fourth\n');
  expect(readAll(reader)).toBe('\n2 lost EAGAIN\nthird\nfourth\n');
  // The pipe itself still waits for its reader, for the other programs that write to it.
  writeSync(writer, 'other\n');
  expect(readAll(reader)).toBe('other\n');
  for (const descriptor of [reader, writer]) closeSync(descriptor);
});

test('a full device and a closed descriptor cost lines', () => {
  const before = droppedLines();
  const full = openSync('/dev/full', 'w');
  const output = createLogOutput(describeLoss, full);
  output.write('a\n');
  closeSync(full);
  output.write('b\n');
  expect(droppedLines() - before).toBe(2);
});
