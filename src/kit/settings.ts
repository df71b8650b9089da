/**
 * Reads settings from environment variables and collects every problem, so that one error names them all. Used by each program's
 * own configuration file. An empty variable counts as unset: `FOO= make up` and compose files mean that by it.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';

export interface Settings {
  /** The variable's text; undefined when it is unset or empty. */
  text(name: string): string | undefined;
  /** The variable as `schema` reads it; `fallback` when it is unset, or invalid, which adds a problem. */
  read<Output, Fallback>(
    name: string,
    schema: z.ZodType<Output, string>,
    fallback: Fallback,
  ): Output | Fallback;
  /** `NAME`, or the trimmed content of the file that `NAME_FILE` names. A problem never contains the secret. */
  secret(name: string): string | undefined;
  /** As `secret`, but the file stays unread: for a program that passes its path on. */
  secretSource(name: string): SecretSource | undefined;
  /** As `secret`, for an http or https URL that contains a secret. */
  secretUrl(name: string): URL | undefined;
  /** The trimmed content of the file at `path`; `name` is the setting that names the file. */
  file(name: string, path: string): string | undefined;
  problem(sentence: string): void;
  readonly problems: readonly string[];
  /** @throws Error with every problem, one a line, when there is one. */
  throwProblems(): void;
}

export type SecretSource = { value: string } | { file: string };

export function createSettings(env: NodeJS.ProcessEnv): Settings {
  const problems: string[] = [];
  const text = (name: string): string | undefined => env[name] || undefined;

  function file(name: string, path: string): string | undefined {
    try {
      const content = readSecretFile(path);
      if (content !== '') return content;
      problems.push(`${name}: expected a file with content, ${path} is empty`);
    } catch (error) {
      problems.push(`${name}: ${(error as Error).message}`);
    }
    return undefined;
  }

  function secretSource(name: string): SecretSource | undefined {
    const value = text(name);
    const path = text(`${name}_FILE`);
    if (value !== undefined && path !== undefined) {
      problems.push(`${name} and ${name}_FILE: expected one of them, got both`);
      return undefined;
    }
    if (path !== undefined) return { file: path };
    return value === undefined ? undefined : { value };
  }

  function secret(name: string): string | undefined {
    const source = secretSource(name);
    if (source === undefined) return undefined;
    return 'file' in source ? file(`${name}_FILE`, source.file) : source.value;
  }

  return {
    text,
    read(name, schema, fallback) {
      const given = text(name);
      if (given === undefined) return fallback;
      const parsed = schema.safeParse(given);
      if (parsed.success) return parsed.data;
      problems.push(`${name}: ${parsed.error.issues[0]?.message}, got ${JSON.stringify(given)}`);
      return fallback;
    },
    secret,
    secretSource,
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
    throwProblems() {
      if (problems.length > 0) throw new Error(`Invalid settings:\n  ${problems.join('\n  ')}`);
    },
  };
}

/** The trimmed content of a file. @throws Error that names the file and the system's error code, never the content. */
export function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error';
    throw new Error(`expected a readable file, got ${code} for ${path}`, { cause: error });
  }
}

export function integer(min: number, max: number) {
  return z
    .string()
    .refine((text) => /^\d+$/.test(text) && Number(text) >= min && Number(text) <= max, {
      error: `expected an integer from ${min} to ${max}`,
    })
    .transform(Number);
}

/** `port(0)` allows 0, which lets the system choose. */
export const port = (min: 0 | 1) => integer(min, 65_535);

export const integerOrAuto = (min: number, max: number) =>
  z.union([z.literal('auto'), integer(min, max)], {
    error: `expected "auto" or an integer from ${min} to ${max}`,
  });

export const flag = z
  .enum(['true', 'false'], { error: 'expected "true" or "false"' })
  .transform((text) => text === 'true');
