/** Lets a process end with the one that started it. Used for the engine process and for the processes of native mode. */
import { existsSync, realpathSync } from 'node:fs';

/**
 * What to put before a command: util-linux's setpriv, which asks the kernel to send `signal` to the process when its parent ends, even by
 * SIGKILL (https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html). Empty where there is none. BusyBox's setpriv does
 * not know the option.
 */
export function endWithParent(signal: 'TERM' | 'KILL'): string[] {
  const setpriv = ['/usr/bin/setpriv', '/bin/setpriv'].find(
    (path) => existsSync(path) && !realpathSync(path).endsWith('busybox'),
  );
  return setpriv === undefined ? [] : [setpriv, '--pdeathsig', signal, '--'];
}
