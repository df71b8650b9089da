/** One panel of `otel/panels/dashboards.ts` as Grafana draws it. Used by `stack/grafana.ts`. */
import {
  BigValueColorMode,
  BigValueGraphMode,
  BigValueTextMode,
  GraphGradientMode,
  GraphThresholdsStyleConfigBuilder,
  GraphThresholdsStyleMode,
  LegendDisplayMode,
  LegendPlacement,
  ReduceDataOptionsBuilder,
  StackingConfigBuilder,
  StackingMode,
  TooltipDisplayMode,
  VisibilityMode,
  VizLegendOptionsBuilder,
  VizTooltipOptionsBuilder,
} from '@grafana/grafana-foundation-sdk/common';
import {
  DashboardLinkBuilder,
  DashboardLinkType,
  MappingType,
  ThresholdsConfigBuilder,
  ThresholdsMode,
  type Threshold,
} from '@grafana/grafana-foundation-sdk/dashboard';
import { PanelBuilder as GaugeBuilder } from '@grafana/grafana-foundation-sdk/gauge';
import {
  HeatmapColorMode,
  HeatmapColorOptionsBuilder,
  PanelBuilder as HeatmapBuilder,
  YAxisConfigBuilder,
} from '@grafana/grafana-foundation-sdk/heatmap';
import { DataqueryBuilder, PromQueryFormat } from '@grafana/grafana-foundation-sdk/prometheus';
import { PanelBuilder as StatBuilder } from '@grafana/grafana-foundation-sdk/stat';
import { PanelBuilder as TimeseriesBuilder } from '@grafana/grafana-foundation-sdk/timeseries';
import { metrics } from '../../otel/names.ts';
import { idleSentences } from '../../otel/panels/panel.ts';
import type { Panel, PanelKind, Thresholds, Unit } from '../../otel/panels/panel.ts';
import { words, type Locale } from './words.ts';

/** The dashboard's own choice of data source, so that it can be imported anywhere. */
export const prometheus = { type: 'prometheus', uid: '${datasource}' };

/**
 * Behind a number there is only a small graph, and each of its points may look back on 30 days: over as many days of data
 * 241 points took half a second of a core at every refresh, 60 take a third of that.
 */
const pointsBehindNumber = 60;

/** The notifier serves the pages; `make up` puts a moved port in. */
const runbooksUrl = 'http://127.0.0.1:8060/runbooks';

export function buildPanel(panel: Panel, locale: Locale) {
  const builder = buildKind(panel);
  const say = words(locale);
  builder.title(say(panel.title)).description(describe(panel, locale)).datasource(prometheus);
  for (const [index, { expr, legend }] of panel.queries.entries()) {
    const query = new DataqueryBuilder()
      .refId(String.fromCodePoint('A'.codePointAt(0)! + index))
      .expr(expr)
      .legendFormat(legend)
      .range()
      .exemplar(showsExemplars(panel));
    if (panel.kind === 'heatmap') query.format(PromQueryFormat.Heatmap);
    builder.withTarget(query);
  }
  if (panel.whenRed !== undefined) {
    const { runbook } = panel.whenRed;
    builder.links([
      new DashboardLinkBuilder(`Runbook: ${runbook}`)
        .type(DashboardLinkType.Link)
        .url(`${runbooksUrl}/${runbook}`)
        .targetBlank(true),
    ]);
  }
  if (panel.idle === 'nothing') {
    builder.noValue(say({ en: 'no requests', zh: '暂无请求' }));
  }
  if (panel.words !== undefined) {
    const options = Object.entries(panel.words).map(([value, text]) => [
      value,
      { text: say(text) },
    ]);
    builder.mappings([{ type: MappingType.ValueToText, options: Object.fromEntries(options) }]);
  }
  return builder;
}

/**
 * Exemplars come with the buckets of our own histograms, but not with those of every token, which would cost more than
 * they tell; a recording rule keeps none.
 */
function showsExemplars({ queries }: Panel): boolean {
  const perToken = metrics.inferenceInterTokenDuration.scraped;
  return queries.some(
    ({ expr }) => /\b(gen_ai|inference)_\w+_bucket\b/.test(expr) && !expr.includes(perToken),
  );
}

/** What the question mark beside a title says. */
function describe({ meaning, idle, whenRed }: Panel, locale: Locale): string {
  const say = words(locale);
  const red = whenRed && `${say({ en: 'When red', zh: '变红时' })}: ${say(whenRed)}`;
  return [say(meaning), say(idleSentences[idle]), red].filter(Boolean).join('\n\n');
}

function buildKind({ kind, unit, thresholds }: Panel) {
  const drawn = {
    stat: () =>
      new StatBuilder()
        .maxDataPoints(pointsBehindNumber)
        .unit(grafanaUnit(unit))
        .reduceOptions(latest())
        .thresholds(steps(thresholds))
        .colorMode(thresholds ? BigValueColorMode.Value : BigValueColorMode.None)
        .graphMode(BigValueGraphMode.Area),
    info: () =>
      new StatBuilder()
        .maxDataPoints(pointsBehindNumber)
        .reduceOptions(latest())
        .textMode(BigValueTextMode.Name)
        .colorMode(BigValueColorMode.None)
        .graphMode(BigValueGraphMode.None),
    gauge: () =>
      new GaugeBuilder()
        .maxDataPoints(pointsBehindNumber)
        .unit(grafanaUnit(unit))
        .reduceOptions(latest())
        .min(0)
        .max(1)
        .thresholds(steps(thresholds)),
    heatmap: () =>
      new HeatmapBuilder()
        .yAxis(new YAxisConfigBuilder().unit(grafanaUnit(unit)))
        .color(
          new HeatmapColorOptionsBuilder()
            .mode(HeatmapColorMode.Scheme)
            .scheme('Oranges')
            .steps(64),
        )
        .cellGap(1),
    timeseries: () => buildLines(false, unit, thresholds),
    stacked: () => buildLines(true, unit, thresholds),
  } satisfies Record<PanelKind, () => unknown>;
  return drawn[kind]();
}

function latest(): ReduceDataOptionsBuilder {
  return new ReduceDataOptionsBuilder().calcs(['lastNotNull']);
}

function buildLines(stacked: boolean, unit: Unit, thresholds: Thresholds | undefined) {
  const builder = new TimeseriesBuilder()
    .unit(grafanaUnit(unit))
    .min(0)
    .lineWidth(1)
    .fillOpacity(stacked ? 40 : 10)
    .gradientMode(GraphGradientMode.None)
    .showPoints(VisibilityMode.Never)
    .legend(
      new VizLegendOptionsBuilder()
        .displayMode(LegendDisplayMode.List)
        .placement(LegendPlacement.Bottom)
        .showLegend(true),
    )
    .tooltip(new VizTooltipOptionsBuilder().mode(TooltipDisplayMode.Multi));
  if (stacked) builder.stacking(new StackingConfigBuilder().mode(StackingMode.Normal));
  if (thresholds !== undefined) {
    builder
      .thresholds(steps(thresholds))
      .thresholdsStyle(
        new GraphThresholdsStyleConfigBuilder().mode(GraphThresholdsStyleMode.Dashed),
      );
  }
  return builder;
}

/** Grafana's colours hold from a value upwards, the first from minus infinity. */
function steps(thresholds: Thresholds | undefined): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(colours(thresholds));
}

function colours(thresholds: Thresholds | undefined): Threshold[] {
  if (thresholds === undefined) return [{ value: null, color: 'green' }];
  const { red, orange, when } = thresholds;
  const between = (color: string): Threshold[] =>
    orange === undefined ? [] : [{ value: when === 'above' ? orange : red, color }];
  return when === 'above'
    ? [{ value: null, color: 'green' }, ...between('orange'), { value: red, color: 'red' }]
    : [
        { value: null, color: 'red' },
        ...between('orange'),
        { value: orange ?? red, color: 'green' },
      ];
}

/** UCUM → Grafana's unit id. */
function grafanaUnit(unit: Unit): string {
  const ids = { s: 's', By: 'bytes', '1': 'percentunit', x: 'none' };
  if (unit in ids) return ids[unit as keyof typeof ids];
  const [, noun = '', perSecond] = /^\{(.*)\}(\/s)?$/.exec(unit) ?? [];
  return perSecond === undefined ? 'short' : `suffix: ${noun}s/s`;
}
