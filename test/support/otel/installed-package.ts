/**
 * `@llamascope/otel` as others install it: the packed tarball and its dependencies in an empty folder, outside of the checkout. Its lock file
 * is a part of the checkout's, so that npm finds everything in its cache.
 */
import { execFile } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';

const run = promisify(execFile);
const root = fileURLToPath(new URL('../../..', import.meta.url));

interface Manifest {
  version: string;
  dependencies?: Record<string, string>;
  peerDependencies?: Record<string, string>;
  optionalDependencies?: Record<string, string>;
}

export interface InstalledPackage {
  folder: string;
  tarballBytes: number;
  /** What the tarball contains. */
  files: string[];
}

const npmOptions = ['--ignore-scripts', '--no-audit', '--no-fund', '--loglevel=error'];

export async function installPackage(): Promise<InstalledPackage> {
  const folder = mkdtempSync(join(tmpdir(), 'installed-'));
  const pack = ['pack', '-w', 'otel', '--json', '--silent', '--pack-destination', folder];
  const { stdout } = await run('npm', pack, { cwd: root });
  const [packed] = Object.values(JSON.parse(stdout.slice(stdout.search(/^[[{]/m))) as object) as [
    { filename: string; size: number; files: { path: string }[] },
  ];
  const file = `file:${packed.filename}`;
  const manifest = readJson('otel/package.json') as Manifest;
  const dependencies = {
    '@llamascope/otel': file,
    '@opentelemetry/api': manifest.peerDependencies!['@opentelemetry/api']!,
    '@types/node': '*',
  };
  const own = { name: 'consumer', version: '1.0.0', type: 'module', dependencies };
  write(folder, 'package.json', own);
  write(folder, 'package-lock.json', {
    ...own,
    lockfileVersion: 3,
    packages: {
      '': own,
      'node_modules/@llamascope/otel': { ...manifest, resolved: file },
      ...lockedDependencies([
        ...Object.keys(manifest.dependencies!),
        '@opentelemetry/api',
        '@types/node',
      ]),
    },
  });
  await run('npm', ['ci', '--prefer-offline', ...npmOptions], { cwd: folder });
  // The one dependency that is too large to install again.
  mkdirSync(join(folder, 'node_modules'), { recursive: true });
  symlinkSync(
    join(root, 'node_modules/node-llama-cpp'),
    join(folder, 'node_modules/node-llama-cpp'),
  );
  return { folder, tarballBytes: packed.size, files: packed.files.map(({ path }) => path) };
}

/** The entries of the checkout's lock file for these packages and what they depend on. */
function lockedDependencies(names: readonly string[]): Record<string, Manifest> {
  const { packages } = readJson('package-lock.json') as { packages: Record<string, Manifest> };
  const found: Record<string, Manifest> = {};
  function add(name: string, from: string): void {
    for (let place = from; ; place = dirname(place)) {
      const key = join(place, 'node_modules', name);
      const entry = packages[key];
      if (entry === undefined && place !== '.') continue;
      if (entry === undefined || found[key] !== undefined) return;
      found[key] = entry;
      const { dependencies, peerDependencies, optionalDependencies } = entry;
      const needed = { ...dependencies, ...peerDependencies, ...optionalDependencies };
      for (const next of Object.keys(needed)) add(next, key);
      return;
    }
  }
  for (const name of names) add(name, '.');
  return found;
}

function readJson(path: string): unknown {
  return JSON.parse(readFileSync(join(root, path), 'utf8'));
}

function write(folder: string, name: string, json: object): void {
  writeFileSync(join(folder, name), JSON.stringify(json));
}

/** The oldest Node that the package supports; `make test` installs it. */
export function findOldestNode(): string {
  const platform = `${process.platform}-${process.arch}`;
  const file = join(root, `.tools/oldest-node/node_modules/node-${platform}/bin/node`);
  if (existsSync(file)) return file;
  throw new Error(`${file}: not found; run make test, which installs it`);
}
