/**
 * Writes Grafana's dashboards in both languages from `otel/panels/dashboards.ts`.
 * Run as `node stack/grafana.ts`; `generated/` is committed and a test fails when it drifts.
 *
 * A title in Grafana is plain text, so there is one folder a language with the same uids in both, and Grafana is shown
 * the one that DASHBOARD_LOCALE names: two sets at once would double every dashboard.
 */
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
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
import { buildPanel, prometheus } from './grafana/panel-builders.ts';
import { words, type Locale } from './grafana/words.ts';
import { annotations, dashboards, variables } from '../otel/panels/dashboards.ts';
import type { Dashboard } from '../otel/panels/dashboards.ts';

const tag = 'llamascope';
const locales = ['en', 'zh-CN'] as const satisfies Locale[];
/** Where a person's browser finds Jaeger; `make up` puts moved ports in. */
const jaegerUrl = 'http://127.0.0.1:16686';

/** Path under `generated/` → text of the file. */
export function generatedFiles(): Map<string, string> {
  const files = new Map<string, string>();
  for (const locale of locales) {
    for (const dashboard of dashboards) {
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
      new DashboardLinkBuilder(say({ en: 'Dashboards', zh: '仪表盘' }))
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
  let id = 0;
  let y = 0;
  for (const { title, height, panels } of dashboard.rows) {
    if (title !== undefined) {
      const gridPos = { x: 0, y, w: 24, h: 1 };
      builder.withRow(new RowBuilder(say(title)).id((id += 1)).gridPos(gridPos));
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
  return builder.build();
}

function toJson(value: unknown): string {
  return `${JSON.stringify(value, withoutHiding, 2)}\n`;
}

/** The SDK puts links and annotations into a closed menu unless this is left out. */
function withoutHiding(key: string, value: unknown): unknown {
  return key === 'placement' && value === 'inControlsMenu' ? undefined : value;
}

if (process.argv[1] === import.meta.filename) {
  const folder = join(import.meta.dirname, 'generated');
  rmSync(folder, { recursive: true, force: true });
  for (const [path, text] of generatedFiles()) {
    mkdirSync(dirname(join(folder, path)), { recursive: true });
    writeFileSync(join(folder, path), text);
  }
}
