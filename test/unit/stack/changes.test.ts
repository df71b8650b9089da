/** `make up` on a running stack: which processes differ from those that run. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, onTestFinished, test, vi } from 'vitest';
import { describeChildren, type Inputs } from '../../../stack/native/children.ts';
import { graceMillisOf } from '../../../stack/native/stop.ts';
import { findChanges } from '../../../stack/native/supervisor/plan.ts';
import { readSettings } from '../../../stack/settings.ts';

const folder = mkdtempSync(path.join(tmpdir(), 'llamascope-changes-'));
const before: Inputs = {
  model: 'demo.gguf 1 2',
  prometheus: 'rules',
  alertmanager: 'routes',
  channelVariables: new Set(['PAGER_URL', 'PAGER_URL_FILE']),
};

function describeWith(env: NodeJS.ProcessEnv, inputs: Partial<Inputs> = {}) {
  for (const [name, value] of Object.entries(env)) vi.stubEnv(name, value);
  const settings = readSettings({ LLAMASCOPE_DATA_DIR: folder, MODE: 'native', ...env });
  const tools = { prometheus: 'prometheus', alertmanager: 'true' };
  const files = { prometheusFile: 'prometheus.yml', alertmanagerFile: 'alertmanager.yml' };
  const children = describeChildren(settings, tools, files, { ...before, ...inputs });
  vi.unstubAllEnvs();
  return children;
}

/** name → changes, of the processes that `make up` restarts. */
function changesTo(
  env: NodeJS.ProcessEnv,
  inputs: Partial<Inputs> = {},
  old: NodeJS.ProcessEnv = {},
) {
  const running = describeWith(old);
  const changes = describeWith(env, inputs).map((child) => {
    const same = running.find(({ name }) => name === child.name);
    return [child.name, same === undefined ? ['new'] : findChanges(same, child)] as const;
  });
  return Object.fromEntries(changes.filter(([, names]) => names.length > 0));
}

test.each<[NodeJS.ProcessEnv, Partial<Inputs>, object]>([
  [{}, {}, {}],
  [{ HOME: '/elsewhere', REPLICAS: '1' }, {}, {}],
  [{ CHAT_QUEUE_LIMIT: '3' }, {}, { chat: ['CHAT_QUEUE_LIMIT'] }],
  [{ PAGER_URL: 'https://canary' }, {}, { notifier: ['PAGER_URL'] }],
  [{ METRICS_TOKEN: 'canary' }, {}, { chat: ['METRICS_TOKEN'], notifier: ['METRICS_TOKEN'] }],
  [{}, { model: 'real.gguf 3 4' }, { chat: ['model'] }],
  [{}, { prometheus: 'other rules' }, { prometheus: ['configuration'] }],
  [{ CHAT_PORT: '7001' }, {}, { chat: ['command'] }],
])('%j %j restarts %j', (env, inputs, changes) => {
  expect(changesTo(env, inputs)).toEqual(changes);
});

test('another replica starts without a restart of the first, unless its threads change', () => {
  const changes = changesTo({ REPLICAS: '2', CHAT_THREADS: '1' }, {}, { CHAT_THREADS: '1' });
  expect(changes).toEqual({ 'chat-2': ['new'] });
});

test('another content of a file with a secret restarts its reader', () => {
  const file = path.join(folder, 'secret');
  onTestFinished(() => rmSync(folder, { recursive: true }));
  writeFileSync(file, 'old');
  const [running] = describeWith({ PAGER_URL_FILE: file });
  writeFileSync(file, 'new');
  const [next] = describeWith({ PAGER_URL_FILE: file });
  expect(findChanges(running!, next!)).toEqual(['PAGER_URL_FILE']);
  // The plan is a readable file.
  expect(JSON.stringify([running, describeWith({ PAGER_URL: 'canary' })])).not.toMatch(
    /canary|old/,
  );
});

test('make down leaves three replicas as much time for their answers as CHAT_GRACE_SECONDS says', () => {
  const children = describeWith({ REPLICAS: '3', CHAT_GRACE_SECONDS: '120' });
  expect(graceMillisOf(children)).toBeGreaterThan(3 * 120_000);
});
