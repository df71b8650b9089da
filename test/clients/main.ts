/**
 * `make clients`: Python clients against the real service (MODEL; else the best model on this disk), and a table of what works. They are
 * installed from pip's index into .tools/. CLIENT=openai runs one of them.
 */
import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { text } from 'node:stream/consumers';
import { fileURLToPath } from 'node:url';
import { startChatService } from '../support/api/chat-service.ts';

interface Result {
  client: string;
  version: string;
  case: string;
  /** `model`: its size explains the failure. */
  error: { kind: 'model' | 'failed'; text: string } | null;
}

/** Packages that are installed together. */
interface Environment {
  name: string;
  pins: string;
  clients: readonly string[];
}

const here = (file: string): string => fileURLToPath(new URL(file, import.meta.url));

function readEnvironments(): Environment[] {
  const sections = readFileSync(here('requirements.txt'), 'utf8').split('# environment: ').slice(1);
  return sections.map((section) => {
    const [name = '', ...lines] = section.trim().split('\n');
    const clients = lines.map((line) => line.replace(/[=[].*/, ''));
    return { name, pins: `${lines.join('\n')}\n`, clients };
  });
}

/** A virtual environment, or a folder of packages where Python has no `venv`. @returns how to run Python with the clients. */
function install({ name, pins }: Environment): { python: string; env: Record<string, string> } {
  const folder = here(`../../.tools/clients/${name}`);
  const target = { python: 'python3', env: { PYTHONPATH: `${folder}/packages` } };
  const own = { python: `${folder}/bin/python`, env: {} };
  const chosen = () => (existsSync(own.python) ? own : target);
  const installed = `${folder}/requirements.txt`;
  if (existsSync(installed) && readFileSync(installed, 'utf8') === pins) return chosen();
  rmSync(folder, { recursive: true, force: true });
  const hasVenv = run('python3', ['-m', 'venv', folder], 'ignore') === 0;
  if (!hasVenv) rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const wanted = `${folder}/wanted.txt`;
  writeFileSync(wanted, pins);
  const where = hasVenv ? [] : ['--target', target.env.PYTHONPATH];
  const options = ['--quiet', '--disable-pip-version-check', ...where, '-r', wanted];
  if (run(chosen().python, ['-m', 'pip', 'install', ...options]) !== 0) {
    throw new Error(
      'The clients cannot be installed. Python 3.11 or later with pip, and a package index that pip reaches, are needed.',
    );
  }
  writeFileSync(installed, pins);
  return chosen();
}

function run(command: string, args: readonly string[], stdio: 'inherit' | 'ignore' = 'inherit') {
  return spawnSync(command, args, { stdio }).status ?? 1;
}

/** Runs the cases of these clients. @throws Error if Python fails before the last case. */
async function runCases(
  { python, env }: ReturnType<typeof install>,
  url: string,
  clients: readonly string[],
): Promise<Result[]> {
  const child = spawn(python, [here('frameworks.py'), url, clients.join(',')], {
    env: { ...process.env, PYTHONDONTWRITEBYTECODE: '1', ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const exit = once(child, 'exit') as Promise<[number | null]>;
  const [output, errors, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    exit,
  ]);
  if (code !== 0) throw new Error(`Python ended with ${code}:\n${errors}`);
  const lines = output.split('\n').filter((line) => line.startsWith('{"client"'));
  return lines.map((line) => JSON.parse(line) as Result);
}

function toRow({ client, version, case: name, error }: Result): string {
  const why = error?.text.replaceAll(/\s+/g, ' ').replaceAll('|', '\\|').slice(0, 300);
  const texts = { model: `the model is too small: ${why}`, failed: `**fails**: ${why}` };
  return `| ${client} | ${version} | ${name} | ${error === null ? 'works' : texts[error.kind]} |\n`;
}

const wanted = process.env['CLIENT'] || undefined;
const environments = readEnvironments().filter(
  ({ clients }) => wanted === undefined || clients.includes(wanted),
);
if (environments.length === 0) {
  throw new Error(`CLIENT: expected a name of test/clients/requirements.txt, got "${wanted}".`);
}
const installed = environments.map((each) => ({
  clients: wanted === undefined ? each.clients : [wanted],
  python: install(each),
}));
const service = await startChatService(
  {
    CHAT_MODEL: process.env['CHAT_MODEL'] ?? '',
    CHAT_STRICT_MODEL: 'false',
    CHAT_EMBEDDINGS: 'true',
    CHAT_THREADS: 'auto',
  },
  // A real model is read from a slow disk.
  { readySeconds: 300 },
);
const results: Result[] = [];
try {
  const { model } = (await (await fetch(`${service.url}/version`)).json()) as { model: string };
  process.stdout.write(
    `Served: ${model}\n\n| client | version | case | result |\n|---|---|---|---|\n`,
  );
  for (const { clients, python } of installed) {
    const own = await runCases(python, service.url, clients);
    results.push(...own);
    process.stdout.write(own.map(toRow).join(''));
  }
} finally {
  await service.stop();
}
const isGood = results.length > 0 && results.every(({ error }) => error?.kind !== 'failed');
process.exit(isGood ? 0 : 1);
