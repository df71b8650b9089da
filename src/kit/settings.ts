/**
 * Reads settings from environment variables and collects every problem, so that one error lists all of them. Used by the
 * configuration file of each program. An empty variable counts as unset, as in `FOO= make up` and in compose files.
 */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import { isLoopback } from './loopback.ts';

export type Settings = ReturnType<typeof createSettings>;

export type SecretSource = { value: string } | { file: string };

/** Its message lists every problem, one per line. */
export class SettingsError extends Error {
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(`Invalid settings:\n  ${problems.join('\n  ')}`);
    this.name = 'SettingsError';
    this.problems = problems;
  }
}

/** Prints the problems that the readers throw, one a line, for the program that starts this one. */
export function printProblems(...readers: (() => unknown)[]): void {
  for (const read of readers) {
    try {
      read();
    } catch (error) {
      const problems = error instanceof SettingsError ? error.problems : [(error as Error).message];
      process.stdout.write(problems.map((problem) => `${problem}\n`).join(''));
    }
  }
}

export function createSettings(env: NodeJS.ProcessEnv) {
  const problems: string[] = [];
  /** The variable's text; undefined when it is unset or empty. */
  const text = (name: string): string | undefined => env[name] || undefined;

  /** The trimmed content of the file at `path`; `name` is the setting that names the file. */
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

  /** Like `secret`, but does not read the file: for a program that passes the path on. */
  const secretSource = (name: string) => sourceOf(env, name, problems);

  /** `NAME`, or the trimmed content of the file that `NAME_FILE` names. A problem never contains the secret. */
  function secret(name: string): string | undefined {
    const source = secretSource(name);
    if (source === undefined) return undefined;
    return 'file' in source ? file(`${name}_FILE`, source.file) : source.value;
  }

  return {
    text,
    file,
    secret,
    secretSource,
    /** Like `secret`, for an http or https URL that contains a secret. */
    secretUrl(name: string): URL | undefined {
      const given = secret(name);
      const parsed = given === undefined ? undefined : webUrl.safeParse(given);
      if (parsed?.error) problems.push(`${name}: ${parsed.error.issues[0]?.message}`);
      return parsed?.data;
    },
    /** The variable as `schema` reads it; `fallback` when it is unset, or invalid, which adds a problem. */
    read<Output, Fallback>(
      name: string,
      schema: z.ZodType<Output, string>,
      fallback: Fallback,
    ): Output | Fallback {
      const given = text(name);
      if (given === undefined) return fallback;
      const parsed = schema.safeParse(given);
      if (parsed.success) return parsed.data;
      problems.push(`${name}: ${parsed.error.issues[0]?.message}, got ${JSON.stringify(given)}`);
      return fallback;
    },
    problem: (sentence: string) => void problems.push(sentence),
    problems: problems as readonly string[],
    /** @throws SettingsError if there are any problems. */
    throwProblems(): void {
      if (problems.length > 0) throw new SettingsError(problems);
    },
  };
}

function sourceOf(
  env: NodeJS.ProcessEnv,
  name: string,
  problems: string[],
): SecretSource | undefined {
  const { [name]: value, [`${name}_FILE`]: file } = env;
  if (value && file) {
    problems.push(`${name} and ${name}_FILE: expected one of them, got both`);
    return undefined;
  }
  if (file) return { file };
  return value ? { value } : undefined;
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

/** An http or https URL. The problem does not show the value, which may contain a secret. */
export const webUrl = z.string().transform((given, context) => {
  const url = URL.parse(given);
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  context.addIssue('expected an http or https URL, got something else (not shown)');
  return z.NEVER;
});

/** Host names without scheme and port, separated by commas. */
export const hostNames = list(
  (name) => URL.parse(`http://${name}`)?.hostname === name.toLowerCase(),
  'expected host names such as chat.example.com, separated by commas',
);

/** Origins as browsers send them, also those of desktop applications: `https://app.example.com`, `app://obsidian.md`. */
export const origins = list((origin) => {
  const url = URL.parse(origin);
  if (url === null || url.host.includes('*')) return false;
  return `${url.protocol}//${url.host}` === origin;
}, 'expected exact origins such as https://app.example.com, separated by commas');

function list(isValid: (item: string) => boolean, error: string) {
  return z
    .string()
    .transform((text) => text.split(/[\s,]+/).filter((item) => item !== ''))
    .refine((items) => items.every(isValid), { error });
}

/**
 * Adds a problem if other machines reach a service that asks for no key.
 * @param hosts the addresses and names under which the service is reached, by their setting
 */
export function requireKeyBeyondLoopback(
  settings: Settings,
  options: {
    hosts: Readonly<Record<string, readonly string[]>>;
    key: string;
    isSet: boolean;
    permission: string;
  },
): void {
  const { hosts, key, isSet, permission } = options;
  const isOpen = settings.read(permission, flag, false);
  const reached = Object.entries(hosts).find(([, given]) => !given.every(isLoopback));
  if (reached === undefined || isSet || isOpen) return;
  const [setting, given] = reached;
  settings.problem(
    `${key}: required, because ${setting}=${given.join(',')} lets other machines in. Set it, or ${permission}=true to serve everyone`,
  );
}
