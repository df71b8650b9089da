/** The first scrape of the real processes, before a model is loaded and before the first request. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test } from 'vitest';
import { metrics, type MetricDefinition } from '../../../otel/names.ts';
import { checkWithPromtool } from '../../support/otel/scrape.ts';
import { startProcess } from '../../support/otel/service-process.ts';

const chat = { CHAT_MODEL: 'demo', CHAT_PORT: '0', CHAT_THREADS: '1' };

/** Absent without such a cgroup, or before the model is loaded. */
const later = /^(llamascope\.cgroup\.|inference\.model\.info$|nodejs\.eventloop\.delay\.)/;

test.each([
  ['src/main.ts', chat, (name: string) => !name.startsWith('notifier.')],
  ['alerting/notifier/main.ts', {}, (name: string) => name.startsWith('notifier.')],
])('%s has all of its metrics', async (main, settings, isOwn) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'first-scrape-'));
  const env = { NOTIFIER_PORT: '0', NOTIFIER_DB: path.join(folder, 'notifier.db'), ...settings };
  const service = await startProcess(main, env, { ready: false });
  const text = await (await fetch(`${service.url}/metrics`)).text();
  await service.stop();
  rmSync(folder, { recursive: true });
  const families = new Set([...text.matchAll(/^# TYPE (\S+) /gm)].map(([, family]) => family));
  const missing = Object.values<MetricDefinition>(metrics).filter(
    ({ name, scraped }) => isOwn(name) && !later.test(name) && !families.has(scraped),
  );
  expect(missing.map(({ name }) => name)).toEqual([]);
  expect(checkWithPromtool(text)).toBe('');
});
