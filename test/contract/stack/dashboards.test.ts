/** Layout of the dashboards, and the configuration files of Grafana and Jaeger against their documented format. */
import { existsSync } from 'node:fs';
import { Hono } from 'hono';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { parse } from 'yaml';
import { z } from 'zod';
import { buildDashboard, generatedFiles } from '../../../stack/grafana.ts';
import { dashboards } from '../../../otel/panels/dashboards.ts';
import { PanelList } from '../../../src/console/server/answers.ts';
import { createPanelEndpoints } from '../../../src/console/server/panels.ts';
import { createSharedReads } from '../../../src/console/server/shared-reads.ts';
import { dataSourcesFile } from '../../support/otel/prometheus-queries.ts';
import { readText, root } from '../../support/otel/prometheus-series.ts';

interface Placed {
  title: string;
  type: string;
  gridPos: { x: number; y: number; w: number; h: number };
}

const placed = (id: string): Placed[] => {
  const dashboard = dashboards.find((candidate) => candidate.id === id);
  if (dashboard === undefined) throw new Error(`expected a dashboard ${id}, found none`);
  return (buildDashboard(dashboard, 'en').panels ?? []) as Placed[];
};

/** The grid as text: one character per column, one letter per panel, `-` for a heading. */
function draw(panels: Placed[]): string[] {
  const height = Math.max(...panels.map(({ gridPos }) => gridPos.y + gridPos.h));
  const grid = Array.from({ length: height }, () => Array.from({ length: 24 }, () => ' '));
  let letter = 'a'.codePointAt(0) ?? 0;
  for (const { type, title, gridPos } of panels) {
    const name = type === 'row' ? '-' : String.fromCodePoint(letter++);
    for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        if (grid[y]?.[x] !== ' ')
          throw new Error(`${title} overlaps another panel or the edge at ${x},${y}`);
        grid[y]![x] = name;
      }
    }
  }
  return grid.map((row) => row.join('')).filter((row, index, rows) => row !== rows[index - 1]);
}

describe('the layout', () => {
  test.each(dashboards.map(({ id }) => id))(
    'of %s fills 24 columns without gaps or overlaps',
    (id) => {
      expect(draw(placed(id)).join('')).not.toContain(' ');
    },
  );

  test('of the monitor is the one in the article', () => {
    const panels = placed('qwen-monitor');
    expect(panels.map(({ title, type }) => `${type}: ${title}`)).toEqual([
      'stat: Total requests, last hour',
      'stat: Success ratio',
      'stat: P99 latency',
      'heatmap: Request latency',
      'timeseries: Inference time',
      'timeseries: CPU',
      'timeseries: Memory',
      'timeseries: Active connections',
    ]);
    expect(draw(panels)).toEqual([
      'aaaaaaaabbbbbbbbcccccccc',
      'ddddddddddddeeeeeeeeeeee',
      'ffffffffgggggggghhhhhhhh',
    ]);
  });

  test('of inference starts with the current state, then rows with headings', () => {
    expect(draw(placed('inference')).slice(0, 5)).toEqual([
      'aaaaaabbbbbbccccccdddddd',
      '------------------------',
      'eeeeeeeeeeeeffffffffffff',
      '------------------------',
      'gggggggghhhhhhhhiiiiiiii',
    ]);
  });
});

// Source: https://grafana.com/docs/grafana/latest/administration/provisioning/
const base = {
  name: z.string(),
  uid: z.string(),
  access: z.literal('proxy'),
  editable: z.literal(false),
};
const fromEnvironment = z.string().regex(/^\$\{[A-Z_]+\}$/);
const DataSources = z.strictObject({
  apiVersion: z.literal(1),
  prune: z.boolean(),
  datasources: z.tuple([
    z.strictObject({
      ...base,
      type: z.literal('prometheus'),
      url: fromEnvironment,
      isDefault: z.literal(true),
      jsonData: z.strictObject({
        httpMethod: z.literal('POST'),
        prometheusType: z.literal('Prometheus'),
        timeInterval: z.string(),
        manageAlerts: z.boolean(),
        alertmanagerUid: z.literal('alertmanager'),
        exemplarTraceIdDestinations: z.tuple([
          z.strictObject({
            // The label of our exemplars, see otel/prometheus/exposition.ts.
            name: z.literal('trace_id'),
            datasourceUid: z.literal('jaeger'),
            urlDisplayLabel: z.string(),
          }),
        ]),
      }),
    }),
    z.strictObject({
      ...base,
      type: z.literal('jaeger'),
      url: fromEnvironment,
      jsonData: z.strictObject({
        tracesToMetrics: z.strictObject({
          datasourceUid: z.literal('prometheus'),
          spanStartTimeShift: z.string().regex(/^-\d+m$/),
          spanEndTimeShift: z.string().regex(/^\d+m$/),
          tags: z.array(z.strictObject({ key: z.string(), value: z.string() })),
          queries: z.array(z.strictObject({ name: z.string(), query: z.string() })).min(1),
        }),
        nodeGraph: z.strictObject({ enabled: z.boolean() }),
      }),
    }),
    z.strictObject({
      ...base,
      type: z.literal('alertmanager'),
      url: fromEnvironment,
      jsonData: z.strictObject({
        implementation: z.literal('prometheus'),
        handleGrafanaManagedAlerts: z.literal(false),
      }),
    }),
  ]),
});

const Providers = z.strictObject({
  apiVersion: z.literal(1),
  providers: z.array(
    z.strictObject({
      name: z.string(),
      folder: z.string(),
      type: z.literal('file'),
      allowUiUpdates: z.boolean(),
      disableDeletion: z.boolean(),
      updateIntervalSeconds: z.number(),
      options: z.strictObject({ path: z.string() }),
    }),
  ),
});

describe('Grafana’s provisioning', () => {
  const dashboardsFolder = '/etc/grafana/dashboards/';

  test('has data sources that link exemplars to traces and traces to metrics', () => {
    const { datasources } = DataSources.parse(parse(readText(dataSourcesFile)));
    expect(datasources.map(({ uid }) => uid)).toEqual(['prometheus', 'jaeger', 'alertmanager']);
    for (const { query } of datasources[1].jsonData.tracesToMetrics.queries) {
      // Grafana expands a single $ as an environment variable.
      expect(query.replaceAll('$$', '')).not.toContain('$');
    }
  });

  test('loads the dashboards of one language', () => {
    const text = readText('stack/grafana/provisioning/dashboards/llamascope.yml');
    const { providers } = Providers.parse(parse(text));
    expect(providers.map(({ options }) => options.path)).toEqual([
      `${dashboardsFolder}\${DASHBOARD_LOCALE}`,
    ]);
  });

  test('makes the monitor the home page in both languages', () => {
    const [, home = ''] =
      /^default_home_dashboard_path = (.*)$/m.exec(readText('stack/grafana/grafana.ini')) ?? [];
    expect(home).toContain('$__env{DASHBOARD_LOCALE}');
    for (const locale of ['en', 'zh-CN']) {
      const file = home.replace('$__env{DASHBOARD_LOCALE}', locale).replace(dashboardsFolder, '');
      expect(existsSync(path.join(root, 'stack/generated/dashboards', file)), file).toBe(true);
    }
  });
});

// Jaeger 2 is an OpenTelemetry collector: https://www.jaegertracing.io/docs/2.0/configuration/
const endpoint = z.strictObject({
  endpoint: z.string().regex(/^\$\{env:JAEGER_LISTEN_HOST:-localhost\}:\d+$/),
});
const names = z.array(z.string());
const Jaeger = z.strictObject({
  service: z.strictObject({
    extensions: names,
    pipelines: z.strictObject({
      traces: z.strictObject({ receivers: names, processors: names, exporters: names }),
    }),
    telemetry: z.strictObject({ logs: z.strictObject({ level: z.string() }) }),
  }),
  extensions: z.strictObject({
    jaeger_storage: z.strictObject({
      backends: z.record(
        z.string(),
        z.strictObject({ memory: z.strictObject({ max_traces: z.int().positive() }) }),
      ),
    }),
    jaeger_query: z.strictObject({
      storage: z.strictObject({ traces: z.string() }),
      http: endpoint,
    }),
    healthcheckv2: z.strictObject({ use_v2: z.literal(true), http: endpoint }),
  }),
  receivers: z.strictObject({
    otlp: z.strictObject({ protocols: z.strictObject({ grpc: endpoint, http: endpoint }) }),
  }),
  processors: z.strictObject({
    batch: z.null(),
    memory_limiter: z.strictObject({ check_interval: z.string(), limit_mib: z.int().positive() }),
  }),
  exporters: z.strictObject({
    jaeger_storage_exporter: z.strictObject({ trace_storage: z.string() }),
  }),
});

test('Jaeger stores OTLP spans in memory and refers only to components that are configured', () => {
  const jaeger = Jaeger.parse(parse(readText('stack/jaeger/jaeger.yml')));
  const { extensions, pipelines } = jaeger.service;
  expect(extensions.toSorted()).toEqual(Object.keys(jaeger.extensions).toSorted());
  expect(pipelines.traces.receivers).toEqual(Object.keys(jaeger.receivers));
  expect(pipelines.traces.processors.toSorted()).toEqual(Object.keys(jaeger.processors).toSorted());
  expect(pipelines.traces.exporters).toEqual(Object.keys(jaeger.exporters));
  const backends = Object.keys(jaeger.extensions.jaeger_storage.backends);
  expect(backends).toContain(jaeger.extensions.jaeger_query.storage.traces);
  expect(backends).toContain(jaeger.exporters.jaeger_storage_exporter.trace_storage);
});

test('Grafana has the article’s title of the dashboard, our page says Overview, whatever model is served', async () => {
  const [monitor] = dashboards;
  expect(monitor?.title.en).toBe('Qwen2.5-0.5B Instruct Monitor');
  const list = await listPanels({ hasEngine: true });
  expect(list.dashboards[0]?.title).toEqual({ en: 'Overview', zh: '总览' });
  expect(list.dashboards[0]?.meaning.en).toContain('qwen-instruct, as in the article');
});

async function listPanels(options: { hasEngine: boolean }) {
  const [panels] = createPanelEndpoints(undefined, createSharedReads({ shareMillis: 0 }), options);
  const app = new Hono().get('/', (c) => panels!.handle(c as never));
  return PanelList.parse(await (await app.request('/')).json());
}

test('without an engine of ours the dashboards have only panels and queries whose metrics exist, on page and in Grafana', async () => {
  const list = await listPanels({ hasEngine: false });
  const ids = list.panels.map(({ id }) => id);
  expect(ids).toContain('first-token');
  expect(ids).not.toContain('queue-depth');
  expect(ids).not.toContain('tokens-per-cpu-second');
  expect(list.dashboards.flatMap(({ rows }) => rows).every((row) => row.panels.length > 0)).toBe(
    true,
  );
  const files = [...generatedFiles({ hasEngine: false }).values()].join('');
  expect(files).toContain('inference_prefill_duration_seconds');
  expect(files).not.toMatch(/inference_(queue|sequences|context|prefix|tokenize|perplexity)/);
});
