/** Shows the progress of a download: one rewritten line on a terminal, a line every 5 s elsewhere. Used by `main.ts`. */
import type { Text } from '../../otel/text.ts';
import { formatDuration } from '../kit/duration.ts';

const TERMINAL_MILLIS = 100;
const LOG_MILLIS = 5_000;

const mega = (bytes: number) => (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);

/** `received` and `total` are in MB, `rate` is empty while it is unknown, `left` is in seconds. */
const describe = {
  en: (received: string, total: string, rate: string, left: number) =>
    `${received} of ${total} MB${rate && `, ${rate} MB/s, ${formatDuration(left)} left`}`,
  zh: (received: string, total: string, rate: string, left: number) =>
    `${received} / ${total} MB${rate && `，${rate} MB/s，剩余 ${formatDuration(left, { d: ' 天', h: ' 小时', m: ' 分', s: ' 秒' })}`}`,
};

/** `now` is in milliseconds. */
export function createProgress(options: {
  write: (text: string) => void;
  isTerminal: boolean;
  language: keyof Text;
  now: () => number;
}) {
  const { write, isTerminal, language, now } = options;
  let begun: { at: number; bytes: number } | undefined;
  let shownAt = -Infinity;
  let isComplete = false;
  let isLineOpen = false; // a progress line was written without its newline

  const progressLine = (received: number, total: number) => {
    begun ??= { at: now(), bytes: received };
    const seconds = (now() - begun.at) / 1000;
    const perSecond = seconds > 0 ? (received - begun.bytes) / seconds : 0;
    const rate = perSecond > 0 ? mega(perSecond) : '';
    const left = Math.ceil((total - received) / perSecond);
    const percent = Math.floor((received / total) * 100);
    return `  ${percent} %  ${describe[language](mega(received), mega(total), rate, left)}`;
  };

  return {
    /** Writes a separate line; the progress continues below it. */
    say(line: string): void {
      write(`${isLineOpen ? '\r\u001b[2K' : ''}${line}\n`);
      isLineOpen = false;
      begun = undefined; // measure the speed of the next source from its start
    },
    update(received: number, total: number): void {
      const interval = isTerminal ? TERMINAL_MILLIS : LOG_MILLIS;
      const text = progressLine(received, total);
      const isNewlyComplete = received >= total && !isComplete;
      isComplete = received >= total;
      if (now() - shownAt < interval && !isNewlyComplete) return;
      shownAt = now();
      write(isTerminal ? `\r\u001b[2K${text}` : `${text}\n`);
      isLineOpen = isTerminal;
    },
  };
}
