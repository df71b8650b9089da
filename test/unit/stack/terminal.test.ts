/** Progress on the terminal of `make up`. */
import { expect, test, vi } from 'vitest';
import { createProgress } from '../../../stack/terminal.ts';

function show(isTTY: boolean) {
  vi.useFakeTimers({ toFake: ['performance'] });
  const written: string[] = [];
  const write = (text: string): boolean => written.push(text) > 0;
  const progress = createProgress({ isTTY, columns: 24, write });
  for (let second = 0; second < 9; second++) {
    vi.advanceTimersByTime(1000);
    progress((seconds) => ({
      en: `  ... ${seconds} s, waiting for everything`,
      zh: `  ... ${seconds} 秒，等待全部就绪`,
    }));
  }
  vi.useRealTimers();
  return written;
}

test('a terminal gets one line that is rewritten and fits its width', () => {
  const written = show(true);
  expect(written).toHaveLength(9);
  expect(written.at(-1)).toBe('\r\u001B[2K  ... 9 s, waiting for…');
});

test('a file gets a line every three seconds', () => {
  expect(show(false)).toEqual(
    [3, 6, 9].map((second) => `  ... ${second} s, waiting for everything\n`),
  );
});
