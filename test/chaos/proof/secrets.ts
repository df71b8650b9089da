/** Secrets with recognisable values in every setting that takes one, and a search for them in everything that the stack shows. */
import { spawnSync } from 'node:child_process';
import { readdirSync, readFileSync, statSync } from 'node:fs';
import path from 'node:path';
import { findOwnProcesses } from '../../../stack/native/supervisor/processes.ts';
import { writeDockerFiles } from '../../../stack/docker/files.ts';
import { readSettings } from '../../../stack/settings.ts';
import { kinds, variablesOf } from '../../../alerting/notifier/channels/channels.ts';
import { createSandbox, root, type Sandbox } from '../../support/stack/sandbox.ts';
import { alertmanagerOf, raiseAlert } from '../../support/stack/traffic.ts';
import { until } from '../../support/until.ts';
import { claim, type Row, type Section } from './section.ts';

/** Nothing listens on port 9 (discard), so that every channel fails and its error is logged and counted. */
const secrets = {
  CHAT_API_KEYS: 'sk-canary-chat',
  METRICS_TOKEN: 'canary-metrics',
  NOTIFIER_TOKEN: 'canary-notifier',
  DINGTALK_URL: 'http://127.0.0.1:9/robot/send?access_token=canary-dingtalk',
  DINGTALK_SECRET: 'SECcanary-dingtalk-sign',
  WECOM_URL: 'http://127.0.0.1:9/cgi-bin/webhook/send?key=canary-wecom',
  FEISHU_URL: 'http://127.0.0.1:9/open-apis/bot/v2/hook/canary-feishu',
  FEISHU_SECRET: 'canary-feishu-sign',
  SMTP_URL: 'smtp://mailer:canary-password@127.0.0.1:9',
  OTEL_EXPORTER_OTLP_HEADERS: 'api-key=canary-collector',
  HF_TOKEN: 'hf_canary',
};
const canaries = [
  ...Object.values(secrets).flatMap((value) => /[\w-]*canary[\w-]*/.exec(value) ?? []),
  'canary-prompt',
  'sk-canary-wrong',
];

export const security: Section = {
  title: 'Secrets',
  introduction: `${Object.keys(secrets).length} settings have secrets with recognisable values, prompts contain another one, robots and mail server refuse connections. The running stack is searched for all of them.`,
  columns: ['place', 'found'],
  parts: { canaries: searchAll },
};

async function searchAll(): Promise<Row[]> {
  await using sandbox = await createSandbox({
    ...secrets,
    MAIL_FROM: 'a@example.com',
    MAIL_TO: 'b@example.com',
    OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:9',
    LOG_LEVEL: 'trace',
    OTEL_LOG_LEVEL: 'verbose',
  });
  const up = await sandbox.run('up');
  if (up.code !== 0) throw new Error(up.text);
  const answers = await drive(sandbox);
  const status = await sandbox.run('status');
  const rows = [
    search('the terminal of `make up` and `make status`', { up: up.text, status: status.text }),
    search('answers and errors of the API, alerts, notifications, traces (spans)', answers),
    search('`/metrics` of all four, and what Prometheus stores', await readMetrics(sandbox)),
    search('logs of all processes', readFiles(path.join(sandbox.runDir), /\.log(?:\.1)?$/)),
    search('databases, WAL and other data', readFiles(sandbox.env['LLAMASCOPE_DATA_DIR']!, /./)),
    search(
      'plan, state and configuration that `make up` writes, but for files of secrets',
      readConfiguration(sandbox),
    ),
    search(
      'command lines in the process list',
      readProcesses(sandbox, 'cmdline', () => true),
    ),
    search('the environment of the engine process', readProcesses(sandbox, 'environ', isEngine)),
    searchCompose(sandbox),
  ];
  await sandbox.run('down');
  return rows;
}

type Texts = Record<string, string>;

function search(place: string, texts: Texts): Row {
  const found = Object.entries(texts).flatMap(([name, text]) =>
    [...new Set(canaries)]
      .filter((each) => text.includes(each))
      .map((each) => `${each} in ${name}`),
  );
  const bytes = Object.values(texts).reduce((sum, text) => sum + text.length, 0);
  const searched = `${Object.keys(texts).length} texts, ${(bytes / 1000).toFixed(0)} kB`;
  return claim(
    place,
    found.length === 0 ? `nothing in ${searched}` : `**${found.slice(0, 5).join('; ')}**`,
    // An empty place would prove nothing.
    found.length === 0 && bytes > 0,
  );
}

async function drive(sandbox: Sandbox): Promise<Texts> {
  const chat = `http://127.0.0.1:${sandbox.env['CHAT_PORT']}`;
  const notifier = `http://127.0.0.1:${sandbox.env['NOTIFIER_PORT']}`;
  const texts: Texts = {};
  const post = async (name: string, key: string, body: object): Promise<void> => {
    const response = await fetch(`${chat}/v1/chat/completions`, {
      method: 'POST',
      headers: { authorization: `Bearer ${key}` },
      body: JSON.stringify(body),
    });
    texts[name] = JSON.stringify([...response.headers]) + (await response.text());
  };
  const messages = [{ role: 'user', content: 'canary-prompt' }];
  await post('answer', secrets.CHAT_API_KEYS, { messages, max_tokens: 8 });
  await post('stream', secrets.CHAT_API_KEYS, { messages, max_tokens: 8, stream: true });
  await post('invalid', secrets.CHAT_API_KEYS, { messages, max_tokens: 'canary-prompt' });
  await post('unauthorized', 'sk-canary-wrong', { messages });
  await raiseAlert(sandbox, { name: 'HighErrorRate' });
  const notifierKey = { headers: { authorization: `Bearer ${secrets.NOTIFIER_TOKEN}` } };
  const list = async (): Promise<string> =>
    (await fetch(`${notifier}/api/notifications`, notifierKey)).text();
  await until(async () => /"attempts":[1-9]/.test(await list()), 60);
  texts['notifications'] = await list();
  const get = async (url: string): Promise<string> => (await fetch(url)).text();
  texts['notifier without token'] = await get(`${notifier}/api/notifications`);
  texts['alerts'] = await get(`${alertmanagerOf(sandbox)}/api/v2/alerts`);
  texts['Alertmanager status'] = await get(`${alertmanagerOf(sandbox)}/api/v2/status`);
  texts['Prometheus configuration'] = await get(
    `http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}/api/v1/status/config`,
  );
  texts['/api/traces'] = await get(`${chat}/api/traces?limit=100`);
  const { traces } = JSON.parse(texts['/api/traces']) as { traces: { traceId: string }[] };
  for (const { traceId } of traces) texts[traceId] = await get(`${chat}/api/traces/${traceId}`);
  return texts;
}

async function readMetrics(sandbox: Sandbox): Promise<Texts> {
  const texts: Texts = {};
  for (const name of ['CHAT', 'NOTIFIER', 'PROMETHEUS', 'ALERTMANAGER']) {
    const url = `http://127.0.0.1:${sandbox.env[`${name}_PORT`]}/metrics`;
    texts[name] = await (await fetch(url)).text();
  }
  const prometheus = `http://127.0.0.1:${sandbox.env['PROMETHEUS_PORT']}/api/v1`;
  texts['series'] = await (await fetch(`${prometheus}/series?match[]={job=~".%2B"}`)).text();
  texts['targets'] = await (await fetch(`${prometheus}/targets`)).text();
  return texts;
}

function readFiles(folder: string, pattern: RegExp): Texts {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((name) => pattern.test(name))
      .map((name) => path.join(folder, name))
      .filter((file) => statSync(file).isFile())
      .map((file) => [path.relative(folder, file), readFileSync(file, 'latin1')]),
  );
}

/** Files that only their owner may read hold the secrets that Prometheus and Alertmanager need. */
function readConfiguration(sandbox: Sandbox): Texts {
  const files = readFiles(sandbox.runDir, /^(?!.*\.log)/);
  return Object.fromEntries(
    Object.entries(files).filter(
      ([name]) => (statSync(path.join(sandbox.runDir, name)).mode & 0o077) !== 0,
    ),
  );
}

function readProcesses(
  sandbox: Sandbox,
  what: 'cmdline' | 'environ',
  isWanted: (commandLine: string) => boolean,
): Texts {
  return Object.fromEntries(
    findOwnProcesses(sandbox.runDir)
      .concat(engineOf(sandbox))
      .filter(({ pid }) => isWanted(readFileSync(`/proc/${pid}/cmdline`, 'latin1')))
      .map(({ pid, name }) => [`${name} ${pid}`, readFileSync(`/proc/${pid}/${what}`, 'latin1')]),
  );
}

const isEngine = (commandLine: string): boolean => commandLine.includes('engine/worker/entry');

/** The engine does not inherit the mark of the run folder. */
function engineOf(sandbox: Sandbox) {
  return findOwnProcesses(sandbox.runDir)
    .filter(({ name }) => name === 'chat')
    .flatMap(({ pid }) => {
      const children = readFileSync(`/proc/${pid}/task/${pid}/children`, 'latin1').trim();
      return children.split(' ').filter(Boolean).map(Number);
    })
    .map((pid) => ({ pid, name: 'engine', startTicks: 0, leader: false }));
}

function searchCompose(sandbox: Sandbox): Row {
  const place = '`docker compose config`, with the files that MODE=docker writes';
  if (spawnSync('docker', ['compose', 'version']).status !== 0) {
    return { cells: [place, 'there is no Docker Compose'], verdict: 'skipped' };
  }
  const given = { ...sandbox.env, MODE: 'docker' };
  const settings = readSettings(given);
  const variables = writeDockerFiles(settings, given, {
    channelVariables: new Set(variablesOf(kinds)),
  });
  const file = path.join(root, 'stack/compose.yaml');
  const args = ['compose', '--file', file, '--profile', 'full', 'config'];
  const env = { ...process.env, ...variables, LLAMASCOPE_RUN_DIR: sandbox.runDir };
  const { stdout, stderr } = spawnSync('docker', args, { env, encoding: 'utf8' });
  return search(place, { stdout, stderr });
}
