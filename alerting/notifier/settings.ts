/** Reads environment variables for `config.ts` and the channels, and collects every problem. Values are never part of one. */
import { readFileSync } from 'node:fs';

export interface Settings {
  /** The variable, or undefined when it is unset or empty. */
  text(name: string): string | undefined;
  /** `NAME`, or the content of the file that `NAME_FILE` names. */
  secret(name: string): string | undefined;
  /** As `secret`, for an http(s) URL that itself is one. */
  secretUrl(name: string): URL | undefined;
  /** The trimmed content of a file; `name` is the setting that names it. */
  file(name: string, path: string): string | undefined;
  problem(sentence: string): void;
  readonly problems: readonly string[];
}

export function createSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const text = (name: string): string | undefined => env[name] || undefined;

  const file = (name: string, path: string): string | undefined => {
    try {
      const content = readFileSync(path, 'utf8').trim();
      if (content !== '') return content;
      problems.push(`${name}: expected a file with content, ${path} is empty`);
    } catch (error) {
      const code = (error as NodeJS.ErrnoException).code ?? 'an error';
      problems.push(`${name}: expected a readable file, got ${code} for ${path}`);
    }
    return undefined;
  };

  const secret = (name: string): string | undefined => {
    const path = text(`${name}_FILE`);
    if (path === undefined) return text(name);
    if (text(name) === undefined) return file(`${name}_FILE`, path);
    problems.push(`${name} and ${name}_FILE: expected one of them, got both`);
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
    file,
    problem: (sentence) => void problems.push(sentence),
    problems,
  };
}
