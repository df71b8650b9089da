/** Every panel has texts in both languages, legends and a runbook, and Prometheus keeps data for its longest window. */
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { describe, expect, onTestFinished, test } from 'vitest';
import { parse } from 'yaml';
import { describeChildren } from '../../../stack/native/children.ts';
import { dashboards, panels } from '../../../otel/panels/dashboards.ts';
import { delivery } from '../../../otel/panels/delivery.ts';
import { inference } from '../../../otel/panels/inference.ts';
import { monitor } from '../../../otel/panels/monitor.ts';
import { idleSentences } from '../../../otel/panels/panel.ts';
import { pipeline } from '../../../otel/panels/pipeline.ts';
import { service } from '../../../otel/panels/service.ts';
import { slo } from '../../../otel/panels/slo.ts';
import { readSettings } from '../../../stack/settings.ts';
import { findQueries } from '../../support/otel/prometheus-queries.ts';
import { readText, root } from '../../support/otel/prometheus-series.ts';

describe.each(panels.map((panel) => ({ name: panel.id, panel })))('panel $name', ({ panel }) => {
  const { title, meaning, whenRed, words = {}, queries, thresholds } = panel;

  test('has English and Chinese texts', () => {
    const texts = [title, meaning, ...(whenRed ? [whenRed] : []), ...Object.values(words)];
    for (const { en, zh } of texts) {
      expect(en).toMatch(/^[\x20-\x7e]+$/);
      expect(zh).toMatch(/\p{Script=Han}|^[\w ]+$/u);
    }
    expect(meaning.en).toMatch(/\.$/);
    expect(meaning.zh).toMatch(/。$/);
  });

  test('has an id, and a distinct legend for each query', () => {
    expect(panel.id).toMatch(/^[a-z]+(-[a-z0-9]+)*$/);
    expect(queries.length).toBeGreaterThan(0);
    const legends = queries.map(({ legend }) => legend);
    expect(new Set(legends).size).toBe(legends.length);
    expect(legends.length === 1 || legends.every((legend) => legend !== '')).toBe(true);
  });

  test('has instructions and a runbook if it can turn red', () => {
    expect(whenRed === undefined).toBe(thresholds === undefined);
    if (whenRed === undefined) return;
    expect(
      existsSync(path.join(root, `alerting/runbooks/${whenRed.runbook}.md`)),
      whenRed.runbook,
    ).toBe(true);
  });
});

test('panel ids are unique, and no dashboard has a panel twice', () => {
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  for (const { rows } of dashboards) {
    const drawn = rows.flatMap((row) => row.panels.map(({ id }) => id));
    expect(new Set(drawn).size).toBe(drawn.length);
  }
});

test('every panel is on a dashboard', () => {
  const files = [delivery, inference, monitor, pipeline, service, slo];
  expect(new Set(files.flatMap((file) => Object.values(file)))).toEqual(new Set(panels));
});

test('each kind of idle panel exists', () => {
  expect(new Set(panels.map(({ idle }) => idle))).toEqual(new Set(Object.keys(idleSentences)));
});

describe('Prometheus keeps data for longer than the longest window', () => {
  const hours = { s: 1 / 3600, m: 1 / 60, h: 1, d: 24, w: 168 };
  const hoursOf = (duration: string): number => {
    const [, count = '', unit = ''] = /^(\d+)([smhdw])$/.exec(duration) ?? [];
    return Number(count) * hours[unit as keyof typeof hours];
  };
  const longest = Math.max(
    ...findQueries().flatMap(({ expr }) =>
      [...expr.matchAll(/\[(\d+[smhdw])[\]:]/g)].map(([, window = '']) => hoursOf(window)),
    ),
  );
  const retention = (command: readonly string[]): number => {
    const flag = command.find((each) => each.startsWith('--storage.tsdb.retention.time='));
    return hoursOf(flag?.split('=')[1] ?? '0s');
  };

  test('in containers', () => {
    const { services } = parse(readText('stack/compose.yaml'), { merge: true }) as {
      services: { prometheus: { command: string[] } };
    };
    expect(longest).toBe(30 * 24);
    expect(retention(services.prometheus.command)).toBeGreaterThan(longest);
  });

  test('as a process', () => {
    const folder = mkdtempSync(path.join(tmpdir(), 'llamascope-data-'));
    onTestFinished(() => rmSync(folder, { recursive: true }));
    const settings = readSettings({ LLAMASCOPE_DATA_DIR: folder, MODE: 'native' });
    const tools = { prometheus: 'prometheus', alertmanager: 'true' };
    const configuration = {
      prometheusFile: 'prometheus.yml',
      alertmanagerFile: 'alertmanager.yml',
    };
    const children = describeChildren(settings, tools, configuration, {
      model: '',
      prometheus: '',
      alertmanager: '',
      channelVariables: new Set(),
    });
    const prometheus = children.find(({ name }) => name === 'prometheus');
    expect(retention(prometheus?.command ?? [])).toBeGreaterThan(longest);
  });
});
