/**
 * Renders a folder of `stack/kubernetes/overlays` like `kustomize build`, for the features that these folders use. The project's
 * registries carry no kustomize. Used by `stack/kubernetes.ts`.
 */
import { createHash } from 'node:crypto';
import { posix } from 'node:path';
import { parse, parseAllDocuments } from 'yaml';

/** An object of the cluster. */
export interface Manifest {
  apiVersion: string;
  kind: string;
  metadata: { name: string; namespace?: string; labels?: Record<string, string> };
  [field: string]: unknown;
}

interface Kustomization {
  namespace?: string;
  resources?: string[];
  components?: string[];
  patches?: { path: string; target: { kind: string; name?: string } }[];
  generatorOptions?: { disableNameSuffixHash?: boolean; labels?: Record<string, string> };
  configMapGenerator?: { name: string; files?: string[]; envs?: string[] }[];
}

/** An operation of RFC 6902. */
export interface Operation {
  op: 'add' | 'replace' | 'remove';
  path: string;
  value?: unknown;
}

const fields = new Set([
  'apiVersion',
  'kind',
  'namespace',
  'resources',
  'components',
  'patches',
  'generatorOptions',
  'configMapGenerator',
]);
const clusterKinds = new Set(['Namespace']);

/**
 * @param read returns the text of a file by its path in the repository.
 * @throws RangeError when the folder uses a feature of kustomize that is missing here.
 */
export function render(folder: string, read: (path: string) => string): Manifest[] {
  const names = new Map<string, string>();
  const manifests = build(folder, read, [], names);
  for (const manifest of manifests) replaceNames(manifest, names);
  return manifests;
}

/** @param names collects the names of generated ConfigMaps: without hash → with hash. */
function build(
  folder: string,
  read: (path: string) => string,
  above: readonly Manifest[],
  names: Map<string, string>,
): Manifest[] {
  const at = (path: string): string => posix.join(folder, path);
  const text = read(at('kustomization.yaml'));
  const kustomization = parse(text) as Kustomization;
  for (const field of Object.keys(kustomization)) {
    if (!fields.has(field)) throw new RangeError(`${folder}: ${field} is not supported`);
  }
  let manifests = [...above];
  for (const path of kustomization.resources ?? []) {
    if (!path.endsWith('.yaml')) manifests.push(...build(at(path), read, [], names));
    else manifests.push(...parseAllDocuments(read(at(path))).map((d) => d.toJS() as Manifest));
  }
  for (const { name, files = [], envs = [] } of kustomization.configMapGenerator ?? []) {
    const data = Object.fromEntries([
      ...files.map((file) => [posix.basename(file), read(at(file))] as const),
      ...envs.flatMap((file) => readVariables(read(at(file)))),
    ]);
    const { disableNameSuffixHash = false, labels } = kustomization.generatorOptions ?? {};
    const generated = disableNameSuffixHash ? name : `${name}-${hashOf(data)}`;
    names.set(name, generated);
    const metadata = { name: generated, ...(labels && { labels }) };
    manifests.push({ apiVersion: 'v1', kind: 'ConfigMap', metadata, data });
  }
  for (const path of kustomization.components ?? []) {
    manifests = build(at(path), read, manifests, names);
  }
  for (const { path, target } of kustomization.patches ?? []) {
    const operations = parse(read(at(path))) as Operation[];
    const found = manifests.filter(
      ({ kind, metadata }) =>
        kind === target.kind && (target.name === undefined || metadata.name === target.name),
    );
    if (found.length === 0) throw new RangeError(`${at(path)}: no ${target.kind} ${target.name}`);
    for (const manifest of found) for (const operation of operations) apply(manifest, operation);
  }
  for (const manifest of manifests) {
    if (kustomization.namespace === undefined || clusterKinds.has(manifest.kind)) continue;
    manifest.metadata.namespace = kustomization.namespace;
  }
  return manifests;
}

function readVariables(text: string): [string, string][] {
  return text
    .split('\n')
    .filter((line) => line !== '' && !line.startsWith('#'))
    .map((line) => {
      const at = line.indexOf('=');
      return [line.slice(0, at), line.slice(at + 1)];
    });
}

/** The suffix by which changed settings restart the pods, as kustomize computes it (`api/hasher`). */
function hashOf(data: Record<string, string>): string {
  const sorted = Object.fromEntries(Object.entries(data).toSorted(([a], [b]) => (a < b ? -1 : 1)));
  const hash = createHash('sha256');
  // kustomize looks the name up by a wrong path, so it is empty.
  const text = JSON.stringify({ data: sorted, kind: 'ConfigMap', name: '' });
  // Go escapes these characters.
  hash.update(text.replaceAll(/[<>&]/g, (c) => `\\u00${c.charCodeAt(0).toString(16)}`));
  const letters: Record<string, string> = { 0: 'g', 1: 'h', 3: 'k', a: 'm', e: 't' };
  return hash
    .digest('hex')
    .slice(0, 10)
    .replaceAll(/[013ae]/g, (digit) => letters[digit] ?? digit);
}

/** Follows `configMapRef: { name }` and `configMap: { name }` to the generated ConfigMap. */
function replaceNames(value: unknown, names: ReadonlyMap<string, string>): void {
  if (typeof value !== 'object' || value === null) return;
  for (const [field, child] of Object.entries(value)) {
    if (field === 'configMapRef' || field === 'configMap') {
      const reference = child as { name: string };
      reference.name = names.get(reference.name) ?? reference.name;
    } else replaceNames(child, names);
  }
}

/** @throws RangeError when a part of the path is missing. */
function apply(manifest: Manifest, { op, path, value }: Operation): void {
  const parts = path.slice(1).split('/');
  const last = parts.pop() ?? '';
  let parent: unknown = manifest;
  for (const part of parts) parent = (parent as Record<string, unknown> | undefined)?.[part];
  if (typeof parent !== 'object' || parent === null) {
    throw new RangeError(`${manifest.kind} ${manifest.metadata.name}: no ${path}`);
  }
  const target = parent as Record<string, unknown>;
  if (op !== 'add' && !(last in target)) {
    throw new RangeError(`${manifest.kind} ${manifest.metadata.name}: no ${path}`);
  }
  if (op === 'remove') delete target[last];
  else if (Array.isArray(parent) && last === '-') parent.push(structuredClone(value));
  else target[last] = structuredClone(value);
}
