/** The overlays for Kubernetes: schemas, privileges, and the numbers that they share with the other two modes. */
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { ruleFiles, writeRuleFile } from '../../../alerting/rules.ts';
import { readThresholds } from '../../../otel/thresholds.ts';
import { prometheusFiles } from '../../../stack/configuration.ts';
import {
  generatedFiles,
  overlays,
  renderFolder,
  renderOverlay,
} from '../../../stack/kubernetes.ts';
import { limitToJobs } from '../../../stack/kubernetes/monitoring.ts';
import type { Manifest } from '../../../stack/kubernetes/render.ts';
import { readSettings } from '../../../stack/settings.ts';
import { isQuery, unknownNames } from '../../support/otel/prometheus-grammar.ts';
import { knownSeries } from '../../support/otel/prometheus-series.ts';
import { problemsOf } from '../../support/stack/manifests.ts';
import { root } from '../../support/stack/sandbox.ts';

interface Container {
  name: string;
  image: string;
  resources: { requests: object; limits: object };
  securityContext: object;
}

interface Pods {
  replicas?: number;
  strategy?: object;
  template: {
    spec: {
      containers: Container[];
      initContainers?: Container[];
      terminationGracePeriodSeconds: number;
      volumes: { name: string; emptyDir?: object }[];
    };
  };
}

const rulesDir = path.join(root, 'alerting/generated');
const generate = (env: NodeJS.ProcessEnv = {}, from = rulesDir) =>
  generatedFiles({ env, rulesDir: from });
const files = generate();
const ha = renderOverlay('ha', files);
const find = (manifests: Manifest[], kind: string, name: string): Manifest => {
  const found = manifests.find((each) => each.kind === kind && each.metadata.name === name);
  if (found === undefined) throw new Error(`expected a ${kind} ${name}, found none`);
  return found;
};
const podsOf = (manifest: Manifest) => manifest['spec'] as Pods;

test.each(overlays)('%s has only fields of the published schemas', (overlay) => {
  const manifests = renderOverlay(overlay, files);
  expect(manifests.length).toBeGreaterThan(5);
  expect(manifests.flatMap(problemsOf)).toEqual([]);
});

test('the dashboards are ConfigMaps that the sidecar of Grafana loads, one folder for each language', () => {
  for (const locale of ['en', 'zh-CN']) {
    const boards = renderFolder(`stack/generated/dashboards/${locale}`, files);
    expect(boards.flatMap(problemsOf)).toEqual([]);
    expect(boards).toHaveLength(4);
    for (const { metadata } of boards) expect(metadata.labels).toEqual({ grafana_dashboard: '1' });
  }
});

test('a misspelt field and a wrong type are found, in our objects and in those of operators', () => {
  const wrong = (kind: string, name: string, change: (spec: Record<string, unknown>) => void) => {
    const manifest = structuredClone(find(ha, kind, name));
    change(manifest['spec'] as Record<string, unknown>);
    return problemsOf(manifest).join('\n');
  };
  expect(wrong('StatefulSet', 'chat', (spec) => (spec['replica'] = 3))).toContain(
    'unknown /spec/replica',
  );
  expect(wrong('StatefulSet', 'chat', (spec) => (spec['replicas'] = '3'))).toContain('replicas');
  const inPods = (spec: Record<string, unknown>) =>
    Object.assign((spec as unknown as Pods).template.spec.containers[0]!.securityContext, {
      readOnlyRootFilesystemm: true,
    });
  expect(wrong('StatefulSet', 'chat', inPods)).toContain('readOnlyRootFilesystemm');
  expect(wrong('ScaledObject', 'chat', (spec) => (spec['maxReplicas'] = 3))).toContain(
    'maxReplicas',
  );
  expect(wrong('ServiceMonitor', 'chat', (spec) => delete spec['endpoints'])).toContain(
    'endpoints',
  );
});

describe.each([
  ['StatefulSet', 'chat'],
  ['Deployment', 'notifier'],
  ['Deployment', 'envoy'],
])('the pods of %s %s', (kind, name) => {
  const { spec } = podsOf(find(ha, kind, name)).template;

  test('run without privileges', () => {
    expect(spec).toMatchObject({
      automountServiceAccountToken: false,
      securityContext: { runAsNonRoot: true, seccompProfile: { type: 'RuntimeDefault' } },
    });
    for (const container of [...(spec.initContainers ?? []), ...spec.containers]) {
      expect(container.securityContext).toEqual({
        allowPrivilegeEscalation: false,
        readOnlyRootFilesystem: true,
        capabilities: { drop: ['ALL'] },
      });
      expect(Object.keys(container.resources.limits)).toEqual(
        expect.arrayContaining(['cpu', 'memory']),
      );
    }
  });

  test('get no variables of Services, whose CHAT_PORT and NOTIFIER_PORT are URLs', () => {
    expect(spec).toHaveProperty('enableServiceLinks', false);
  });
});

test('the notifier never runs twice', () => {
  expect(podsOf(find(ha, 'Deployment', 'notifier'))).toMatchObject({
    replicas: 1,
    strategy: { type: 'Recreate' },
  });
});

test('settings of `make up` reach the pods', () => {
  const env = {
    CHAT_GRACE_SECONDS: '60',
    CHAT_MEMORY: '4g',
    CHAT_CPUS: '6',
    CHAT_SEQUENCES: '8',
    REPLICAS: '2',
    SCRAPE_INTERVAL: '30s',
    CHAT_API_KEYS: 'sk-secret',
    CHAT_PORT: '9000',
  };
  const given = generate(env);
  const manifests = renderOverlay('monitored', given);
  const { replicas, template } = podsOf(find(manifests, 'StatefulSet', 'chat'));
  expect(replicas).toBe(2);
  // `preStop`, CHAT_GRACE_SECONDS, and the end of interrupted answers.
  expect(template.spec.terminationGracePeriodSeconds).toBe(5 + 60 + 5);
  const size = { cpu: '6', memory: '4096Mi', 'ephemeral-storage': '512Mi' };
  expect(template.spec.containers[0]?.resources).toEqual({ requests: size, limits: size });
  expect(template.spec.volumes[0]).toEqual({
    name: 'shm',
    emptyDir: { medium: 'Memory', sizeLimit: '2048Mi' },
  });
  expect(() => find(manifests, 'ConfigMap', 'chat-settings-2gbht5g7g6')).toThrow('found none');
  const map = manifests.find(({ metadata }) => metadata.name.startsWith('chat-settings-'));
  expect(map?.['data']).toMatchObject({ CHAT_GRACE_SECONDS: '60', CHAT_SEQUENCES: '8' });
  expect(map?.['data']).not.toHaveProperty('CHAT_PORT');
  expect(find(manifests, 'ServiceMonitor', 'chat')['spec']).toMatchObject({
    endpoints: [{ interval: '30s' }],
  });
  expect([...given.values()].join('')).not.toContain('sk-secret');
  expect(() => generate({ CHAT_MEMORY: '2 GB', CHAT_GRACE_SECONDS: '-1' })).toThrow(
    /CHAT_MEMORY: expected a size such as 2g.*\n.*CHAT_GRACE_SECONDS: expected an integer/,
  );
});

test('the name of the ConfigMap has the hash of kustomize, so changed settings restart the pods', () => {
  // As kustomize 5.7.1 prints it.
  expect(find(ha, 'ConfigMap', 'chat-settings-2gbht5g7g6')).toBeDefined();
});

test('a changed threshold is in the rules of all three modes', () => {
  const folder = mkdtempSync(path.join(tmpdir(), 'rules-'));
  const thresholds = readThresholds({ ALERT_TIME_TO_FIRST_TOKEN_HIGH_ABOVE: '2.5' });
  for (const file of ruleFiles({ thresholds })) {
    writeFileSync(path.join(folder, `${file.name}.yml`), writeRuleFile(file));
  }
  const changed = 'above 2.5 s for more than 5m';
  for (const MODE of ['native', 'docker']) {
    const settings = readSettings({ MODE, LLAMASCOPE_RULES_DIR: folder });
    expect(prometheusFiles(settings).get('rules/latency.yml')).toContain(changed);
  }
  expect(generate({}, folder).get('kubernetes/rendered/monitored.yaml')).toContain(changed);
  expect(files.get('kubernetes/rendered/monitored.yaml')).not.toContain(changed);
});

test('rules look at our jobs alone, and their alerts have our namespace', () => {
  const ours = 'job=~"qwen-instruct|notifier|prometheus|alertmanager"';
  expect(limitToJobs('max by (job) (up) == 0')).toBe(`max by (job) (up{${ours}}) == 0`);
  expect(limitToJobs('a{} + b{c="d"}[5m:1m]')).toBe(`a{${ours}} + b{${ours}, c="d"}[5m:1m]`);
  expect(limitToJobs('x{job="a"} or job:x:y')).toBe('x{job="a"} or job:x:y');
  const { groups } = find(ha, 'PrometheusRule', 'llamascope')['spec'] as {
    groups: { rules: { alert?: string; expr: string; labels?: object }[] }[];
  };
  const rules = groups.flatMap((group) => group.rules);
  expect(rules.length).toBeGreaterThan(50);
  for (const { expr } of rules) {
    expect.soft(isQuery(expr), expr).toBe(true);
    expect.soft(expr).not.toMatch(/\bup\b(?!{)/);
  }
  for (const { labels } of rules.filter(({ alert }) => alert !== undefined)) {
    expect(labels).toHaveProperty('namespace', 'llamascope');
  }
});

// The Prometheus of a cluster has the same names under other jobs.
test('what rules and panels read of Prometheus and Alertmanager is scraped, and panels name the job', () => {
  interface Monitor {
    endpoints: { metricRelabelings?: { regex: string }[] }[];
  }
  const kept = ha
    .filter(({ kind }) => kind === 'ServiceMonitor')
    .flatMap((monitor) => (monitor['spec'] as Monitor).endpoints)
    .flatMap(({ metricRelabelings = [] }) => metricRelabelings.map(({ regex }) => regex));
  const isKept = new RegExp(`^(${kept.join('|')})$`);
  const panels = JSON.stringify(renderFolder('stack/generated/dashboards/en', files));
  const rules = files.get('kubernetes/monitoring/rules.yaml') ?? '';
  const read = /\b(?:prometheus|alertmanager)_[a-z_]+/g;
  const names = new Set([...panels.matchAll(read), ...rules.matchAll(read)].map(([name]) => name));
  expect(names.size).toBeGreaterThan(5);
  expect([...names].filter((name) => !isKept.test(name))).toEqual([]);
  expect(panels.match(/\b(?:prometheus|alertmanager)_[a-z_]+(?!{job=|[a-z_])/g)).toBeNull();
});

test('the scaler asks for metrics that exist', () => {
  const { triggers } = find(ha, 'ScaledObject', 'chat')['spec'] as {
    triggers: { metadata: { query: string } }[];
  };
  for (const { metadata } of triggers) {
    expect(unknownNames(metadata.query, knownSeries([]))).toEqual([]);
  }
});
