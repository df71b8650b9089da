/** Checks objects of Kubernetes against the published schemas, strictly: a field that no schema knows is a problem. */
import * as keda from '@kubernetes-models/keda/keda.sh/v1alpha1';
import * as monitoring from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1';
import * as monitoringAlpha from '@kubernetes-models/prometheus-operator/monitoring.coreos.com/v1alpha1';
import * as apps from 'kubernetes-models/apps/v1';
import * as networking from 'kubernetes-models/networking.k8s.io/v1';
import * as policy from 'kubernetes-models/policy/v1';
import * as core from 'kubernetes-models/v1';
import type { Manifest } from '../../../stack/kubernetes/render.ts';

interface Model {
  prototype: { validate(): void };
}

const models = new Map<string, object>([
  ['v1', core],
  ['apps/v1', apps],
  ['policy/v1', policy],
  ['networking.k8s.io/v1', networking],
  ['monitoring.coreos.com/v1', monitoring],
  ['monitoring.coreos.com/v1alpha1', monitoringAlpha],
  ['keda.sh/v1alpha1', keda],
]);

/** One line for each problem. */
export function problemsOf(manifest: Manifest): string[] {
  return withoutNestedRoutes(manifest).flatMap(problemsOfOne);
}

/** The schema leaves the routes below the first one open, so each is checked in the place of the first. */
function withoutNestedRoutes(manifest: Manifest): Manifest[] {
  if (manifest.kind !== 'AlertmanagerConfig') return [manifest];
  const spec = manifest['spec'] as { route: { routes: object[] } };
  const { routes, ...first } = spec.route;
  return [first, ...routes].map((route) =>
    Object.assign({}, manifest, { spec: Object.assign({}, spec, { route }) }),
  );
}

function problemsOfOne(manifest: Manifest): string[] {
  const { apiVersion, kind } = manifest;
  const Model = (models.get(apiVersion) as Record<string, Model> | undefined)?.[kind];
  if (Model === undefined) return [`no schema of ${apiVersion} ${kind}`];
  const read = new Set<string>();
  const problems: string[] = [];
  try {
    // `this` is what it validates; its constructor would copy all fields.
    Model.prototype.validate.call(watch(manifest, '', read) as never);
  } catch (error) {
    problems.push(String(error));
  }
  const unknown = pathsOf(manifest, '').filter((path) => !read.has(path));
  return [
    ...problems,
    ...unknown.map((path) => `${kind} ${manifest.metadata.name}: unknown ${path}`),
  ];
}

/** The validators are compiled and ignore unknown fields. They read every field that they know, so a field that was not read is unknown. */
function watch(value: unknown, path: string, read: Set<string>): unknown {
  if (typeof value !== 'object' || value === null) return value;
  return new Proxy(value, {
    get(target, field, receiver) {
      const found: unknown = Reflect.get(target, field, receiver);
      if (typeof field === 'symbol' || !Object.hasOwn(target, field)) return found;
      read.add(`${path}/${field}`);
      return watch(found, `${path}/${field}`, read);
    },
  });
}

function pathsOf(value: unknown, path: string): string[] {
  if (typeof value !== 'object' || value === null) return [];
  return Object.entries(value).flatMap(([field, child]) => {
    const at = `${path}/${field}`;
    return [at].concat(pathsOf(child, at));
  });
}
