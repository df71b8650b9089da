/**
 * Generates Grafana's dashboards, `stack/generated/dashboards/`, from `otel/panels/dashboards.ts`. Run by `make generate`.
 *
 *   --out DIR  where to write (stack/generated)
 *
 * A title in Grafana has one language, so there is one folder of dashboards for each language, with the same uids in both.
 * DASHBOARD_LOCALE selects the folder that Grafana loads.
 */
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { parseArgs } from 'node:util';
import {
  AnnotationQueryBuilder,
  DashboardBuilder,
  DashboardCursorSync,
  DashboardLinkBuilder,
  DashboardLinkType,
  DatasourceVariableBuilder,
  QueryVariableBuilder,
  RowBuilder,
  VariableRefresh,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { buildPanel, prometheus, words, type Locale } from './grafana/panel-builders.ts';
import { annotations, dashboardsFor, variables } from '../otel/panels/dashboards.ts';
import type { Dashboard } from '../otel/panels/dashboards.ts';

const tag = 'llamascope';
const locales = ['en', 'zh-CN'] as const satisfies Locale[];
/** Address for a browser; `make up` replaces the port if it is moved. */
const jaegerUrl = 'http://127.0.0.1:16686';

/** Path in `generated/` → text. */
export function generatedFiles({ hasEngine } = { hasEngine: true }): Map<string, string> {
  const files = new Map<string, string>();
  for (const locale of locales) {
    for (const dashboard of dashboardsFor({ hasEngine })) {
      const path = `dashboards/${locale}/${dashboard.id}.json`;
      files.set(path, toJson(buildDashboard(dashboard, locale)));
    }
  }
  return files;
}

export function buildDashboard(dashboard: Dashboard, locale: Locale) {
  const say = words(locale);
  const builder = new DashboardBuilder(say(dashboard.title))
    .uid(dashboard.id)
    .description(say(dashboard.meaning))
    .tags([tag])
    .time({ from: 'now-1h', to: 'now' })
    .refresh('15s')
    .timezone('browser')
    .tooltip(DashboardCursorSync.Crosshair)
    .link(
      new DashboardLinkBuilder(say({ en: 'Dashboards', zh: '看板' }))
        .type(DashboardLinkType.Dashboards)
        .tags([tag])
        .includeVars(true)
        .keepTime(true),
    )
    .link(
      new DashboardLinkBuilder('Jaeger')
        .type(DashboardLinkType.Link)
        .url(jaegerUrl)
        .targetBlank(true),
    )
    .withVariable(
      new DatasourceVariableBuilder('datasource')
        .label('Prometheus')
        .type('prometheus')
        .current({ text: 'Prometheus', value: 'prometheus' }),
    );
  for (const { name, title, label, of } of variables) {
    builder.withVariable(
      new QueryVariableBuilder(name)
        .label(say(title))
        .datasource(prometheus)
        .query(`label_values(${of}, ${label})`)
        .refresh(VariableRefresh.OnTimeRangeChanged)
        .multi(true)
        .includeAll(true)
        .allValue('.*')
        .current({ text: 'All', value: '$__all' }),
    );
  }
  for (const { title, expr, label, color } of annotations) {
    builder.annotation(
      new AnnotationQueryBuilder()
        .name(say(title))
        .datasource(prometheus)
        .enable(true)
        .expr(expr)
        .titleFormat(label)
        .step('15s')
        .iconColor(color),
    );
  }
  addRows(builder, dashboard.rows, locale);
  return builder.build();
}

function addRows(builder: DashboardBuilder, rows: Dashboard['rows'], locale: Locale): void {
  let id = 0;
  let y = 0;
  for (const { title, height, panels } of rows) {
    if (title !== undefined) {
      const gridPos = { x: 0, y, w: 24, h: 1 };
      builder.withRow(new RowBuilder(words(locale)(title)).id((id += 1)).gridPos(gridPos));
      y += 1;
    }
    const width = 24 / panels.length;
    for (const [index, panel] of panels.entries()) {
      const gridPos = { x: index * width, y, w: width, h: height };
      builder.withPanel(
        buildPanel(panel, locale)
          .id((id += 1))
          .gridPos(gridPos),
      );
    }
    y += height;
  }
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, withoutHiding, 2)}\n`;
}

/** By default the SDK hides links and annotations in a closed menu. */
function withoutHiding(key: string, value: unknown): unknown {
  return key === 'placement' && value === 'inControlsMenu' ? undefined : value;
}

if (process.argv[1] === import.meta.filename) {
  const { values } = parseArgs({
    options: { out: { type: 'string', default: join(import.meta.dirname, 'generated') } },
  });
  for (const [path, text] of generatedFiles()) {
    mkdirSync(dirname(join(values.out, path)), { recursive: true });
    writeFileSync(join(values.out, path), text);
  }
}
