/** Faults that `make test` covers: the row points to the test. */
import { readFileSync } from 'node:fs';
import path from 'node:path';
import type { Row } from './section.ts';

const root = path.join(import.meta.dirname, '../../..');

interface Tested {
  what: string;
  client: string;
  operator: string;
  recovers: string;
  lost: string;
  file: string;
  title: string;
}

const tested: readonly Tested[] = [
  {
    what: 'the disk of logs, traces and outbox is full',
    client: 'answers; Alertmanager gets 503 for a new alert',
    operator: 'telemetry_log_lost_total, telemetry_spans_lost_total',
    recovers: 'by itself, when there is room',
    lost: 'log lines and traces meanwhile, which are counted',
    file: 'test/integration/stack/full-disk.test.ts',
    title:
      'costs log lines, traces and new alerts, and no answer; with room again all of them are kept',
  },
  {
    what: 'the GGUF file is cut before the start',
    client: '503 with the cause',
    operator: '/readyz failed: the line of llama.cpp',
    recovers: 'when the file is replaced',
    lost: 'nothing',
    file: 'test/integration/engine/process.test.ts',
    title: 'a damaged file is reported with the line of llama.cpp',
  },
  {
    what: 'the disk of the models is full at a download',
    client: '–',
    operator: 'the missing space, before the download',
    recovers: 'when there is room',
    lost: 'nothing',
    file: 'test/integration/models/fetch.test.ts',
    title: 'reports missing disk space before the download',
  },
  {
    what: 'Prometheus hangs',
    client: 'answers; the page says so after 4 s',
    operator: 'the page names the program and the reason',
    recovers: 'at the next question of the page',
    lost: 'nothing',
    file: 'test/unit/console/server-peers.test.ts',
    title: 'hangs is given up after 4 s',
  },
  {
    what: 'Prometheus lies: +Inf, NaN or no value',
    client: 'answers; the plot has a gap',
    operator: 'a gap',
    recovers: 'with the next value',
    lost: 'nothing',
    file: 'test/unit/console/server-peers.test.ts',
    title: 'answers +Inf, NaN or nothing for a step gives a gap there',
  },
  {
    what: 'Prometheus and Alertmanager are down',
    client: 'answers',
    operator: 'the page names each missing program',
    recovers: 'by itself',
    lost: 'no alert: see the next rows',
    file: 'test/unit/console/server-peers.test.ts',
    title: 'name each missing program and its reason in both languages',
  },
  {
    what: 'Alertmanager is down while an alert fires',
    client: 'the message, when Alertmanager is back',
    operator: 'the alert AlertmanagerUnreachable',
    recovers: 'by itself',
    lost: 'nothing',
    file: 'test/integration/alerting/notifier-matrix.test.ts',
    title: 'Alertmanager down until Prometheus drops the alert: sent when it is back',
  },
  {
    what: 'a robot is down, hangs, or answers 200 with an error code',
    client: 'the message, once',
    operator: 'the alert NotifierFailing',
    recovers: 'by itself',
    lost: 'nothing',
    file: 'test/integration/alerting/notifier-matrix.test.ts',
    title: 'tried again, and each notification arrives once',
  },
  {
    what: 'the supervisor is killed',
    client: 'a refused connection',
    operator: '`make status`: the supervisor has died',
    recovers: 'by `make up`',
    lost: 'running answers',
    file: 'test/integration/stack/up.test.ts',
    title: 'status reports a killed supervisor, and up repairs the stack',
  },
];

/** @throws Error when a test is gone. */
export async function testedFaults(): Promise<Row[]> {
  return tested.map(({ what, client, operator, recovers, lost, file, title }): Row => {
    const text = readFileSync(path.join(root, file), 'utf8');
    if (!text.includes(title)) throw new Error(`${file} has no test "${title}"`);
    const name = path.basename(file, '.test.ts');
    const link = `[${what}](../../${file} "${name}: ${title}")`;
    return { cells: [link, client, operator, recovers, lost], verdict: 'tested' };
  });
}
