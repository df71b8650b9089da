/** Digests of settings, by which `make up` finds what changed. The plan keeps digests, because a value may be a secret. */
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';

/** 16 hex digits of the SHA-256. */
export function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

/** The wanted variables that are set → their digests. Of a file with a secret or a configuration, the content counts too. */
export function digestSettings(
  env: NodeJS.ProcessEnv,
  isWanted: (name: string) => boolean,
): Record<string, string> {
  const set = Object.entries(env).filter(([name, value]) => isWanted(name) && value);
  return Object.fromEntries(
    set.map(([name, value = '']) => {
      const isFile = name.endsWith('_FILE') || name === 'NOTIFIER_CONFIG';
      return [name, digest(isFile ? `${value} ${readText(value)}` : value)];
    }),
  );
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // The program that reads it reports the problem.
    return '';
  }
}
