import { describe, expect, test } from 'vitest';
import { createProgress } from '../../../src/models/progress.ts';

function show(isTerminal: boolean, language: 'en' | 'zh' = 'en') {
  const written: string[] = [];
  let millis = 0;
  const write = (text: string) => void written.push(text);
  const progress = createProgress({ write, isTerminal, language, now: () => millis });
  return { progress, written, wait: (more: number) => (millis += more) };
}

describe('progress', () => {
  test('rewrites one line on a terminal, with speed and remaining time', () => {
    const { progress, written, wait } = show(true);
    progress.update(0, 100e6);
    wait(2_000);
    progress.update(20e6, 100e6);
    progress.say('done');
    expect(written).toEqual([
      '\r\u001b[2K  0 %  0.0 of 100 MB',
      '\r\u001b[2K  20 %  20 of 100 MB, 10 MB/s, 8s left',
      '\r\u001b[2Kdone\n',
    ]);
  });

  test('writes a line every 5 s elsewhere, and the last one', () => {
    const { progress, written, wait } = show(false);
    for (let seconds = 0; seconds <= 11; seconds++) {
      progress.update(seconds * 1e6, 12e6);
      wait(1_000);
    }
    progress.update(12e6, 12e6);
    progress.update(12e6, 12e6);
    expect(written.map((line) => line.trim().split(' ')[0])).toEqual(['0', '41', '83', '100']);
    expect(written.join('')).not.toContain('\r');
  });

  test('measures the speed of a resumed download from its start', () => {
    const { progress, written, wait } = show(false);
    progress.update(50e6, 100e6);
    wait(5_000);
    progress.update(60e6, 100e6);
    expect(written.at(-1)).toContain('2.0 MB/s, 20s left');
  });

  test('is Chinese on a Chinese terminal', () => {
    const { progress, written, wait } = show(true, 'zh');
    progress.update(0, 100e6);
    wait(10_000);
    progress.update(10e6, 100e6);
    expect(written.at(-1)).toBe('\r\u001b[2K  10 %  10 / 100 MB，1.0 MB/s，剩余 1 分 30 秒');
  });
});
