/** Shows the progress of a download: one rewritten line on a terminal, a line every 5 s elsewhere. Used by `main.ts`. */
const TERMINAL_MILLIS = 100;
const LOG_MILLIS = 5_000;

const mega = (bytes: number) => (bytes / 1e6).toFixed(bytes < 10e6 ? 1 : 0);

/** `now` is in milliseconds. */
export function createProgress(options: {
  write: (text: string) => void;
  isTerminal: boolean;
  now: () => number;
}) {
  const { write, isTerminal, now } = options;
  let begun: { at: number; bytes: number } | undefined;
  let shownAt = -Infinity;
  let isLineOpen = false; // a progress line was written without its newline

  const describe = (received: number, total: number) => {
    begun ??= { at: now(), bytes: received };
    const seconds = (now() - begun.at) / 1000;
    const perSecond = seconds > 0 ? (received - begun.bytes) / seconds : 0;
    const speed =
      perSecond > 0
        ? `, ${mega(perSecond)} MB/s, ${Math.ceil((total - received) / perSecond)} s left`
        : '';
    const percent = Math.floor((received / total) * 100);
    return `  ${percent} %  ${mega(received)} of ${mega(total)} MB${speed}`;
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
      const text = describe(received, total);
      if (now() - shownAt < interval && received < total) return;
      shownAt = now();
      write(isTerminal ? `\r\u001b[2K${text}` : `${text}\n`);
      isLineOpen = isTerminal;
    },
  };
}
