import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

/** The environment variables that configure the notifier's channels, with and without `_FILE`. The notifier prints them itself. */
export function readChannelVariables(root: string): ReadonlySet<string> {
  const program = join(root, 'alerting/notifier/variables.ts');
  return new Set(execFileSync(process.execPath, [program], { encoding: 'utf8' }).split('\n'));
}
