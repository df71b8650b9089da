/**
 * The first file of the engine process, forked by engine-process.ts. It listens for the end of the parent before the imports of
 * worker.ts, which take a second: a channel that closes meanwhile would not be noticed.
 */

/** An orderly exit would wait for a decode that hangs. */
function endNow(): void {
  process.kill(process.pid, 'SIGKILL');
}

// The kernel also ends this process with its parent, where setpriv could ask it to.
process.on('disconnect', endNow);
// The service decides when the engine ends. A Ctrl-C in the terminal signals the whole process group.
process.on('SIGINT', () => {});
process.on('SIGTERM', () => {});
if (process.connected) await import('./worker.ts');
else endNow();
