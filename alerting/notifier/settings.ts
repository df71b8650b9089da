/** Reads environment variables for `config.ts` and the channels, and collects every problem. Values are never part of one. */
import { readFileSync } from 'node:fs';

export interface Settings {
  /** The variable, or undefined when it is unset or empty. */
  text(name: string): string | undefined;
  /** `NAME`, or the content of the file that `NAME_FILE` names. */
  secret(name: string): string | undefined;
  /** As `secret`, for an http(s) URL that itself is one: a robot's holds its token. */
  secretUrl(name: string): URL | undefined;
  problem(sentence: string): void;
  readonly problems: readonly string[];
}

export function createSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const text = (name: string): string | undefined => env[name] || undefined;

  const secret = (name: string): string | undefined => {
    const file = text(`${name}_FILE`);
    if (file === undefined) return text(name);
    if (text(name) !== undefined) {
      problems.push(`${name} and ${name}_FILE: expected one of them, got both`);
      return undefined;
    }
    try {
      const content = readFileSync(file, 'utf8').trim();
      if (content !== '') return content;
      problems.push(`${name}_FILE: expected a file with the secret, ${file} is empty`);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'an error';
      problems.push(`${name}_FILE: expected a readable file, got ${code} for ${file}`);
    }
    return undefined;
  };

  return {
    text,
    secret,
    secretUrl(name) {
      const given = secret(name);
      if (given === undefined) return undefined;
      const url = URL.parse(given);
      if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
      problems.push(`${name}: expected an http or https URL, got something else (not shown)`);
      return undefined;
    },
    problem: (sentence) => void problems.push(sentence),
    problems,
  };
}
