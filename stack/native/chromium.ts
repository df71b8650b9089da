/**
 * Finds the Chromium that the console's tests drive: on PATH, else Debian's, unpacked into `.tools/chromium`.
 * `make test` runs it as `node stack/native/chromium.ts`, so that there is one.
 */
import { delimiter, join } from 'node:path';
import { isExecutable } from './tools.ts';

const names = ['chromium', 'chromium-browser', 'google-chrome-stable', 'google-chrome'];

/** The absolute path of a Chromium that is there; without one on PATH, of what was unpacked earlier. */
export function findChromium(path: string, toolsDir: string): string | undefined {
  return [...path.split(delimiter).filter(Boolean), join(toolsDir, 'chromium/usr/bin')]
    .flatMap((folder) => names.map((name) => join(folder, name)))
    .find(isExecutable);
}
