/** Builds Grafana's panel for one panel of `otel/panels/`. Used by `stack/grafana.ts`. */
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
import type { Text } from '../../otel/text.ts';

const latest = new ReduceDataOptionsBuilder().calcs(['lastNotNull']);

/** Variable of the dashboard, so that it works with the data source of any Grafana that imports it. */
export const prometheus = { type: 'prometheus', uid: '${datasource}' };

/**
 * A stat has only a sparkline, and each of its points may evaluate a 30-day window. With 30 days of data, 241 points took 0.5 s
 * of CPU at every refresh, 60 points a third of that (measured).
 */
const sparklinePoints = 60;

/** The notifier serves the runbooks; `make up` replaces the port if it is moved. */
const runbooksUrl = 'http://127.0.0.1:8060/runbooks';

export type Locale = 'en' | 'zh-CN';

/** Picks the language of a dashboard from texts in both. */
export function words(locale: Locale): (text: Text) => string {
  return locale === 'en' ? ({ en }) => en : ({ zh }) => zh;
}

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
    const texts = Object.entries(panel.words).map(([value, text]) => [value, { text: say(text) }]);
    builder.mappings([{ type: MappingType.ValueToText, options: Object.fromEntries(texts) }]);
  }
  return builder;
}

/** Our own histograms have exemplars, except the histogram that observes every token. Recorded series have none. */
function showsExemplars({ queries }: Panel): boolean {
  const perToken = metrics.inferenceInterTokenDuration.scraped;
  return queries.some(
    ({ expr }) => /\b(gen_ai|inference)_\w+_bucket\b/.test(expr) && !expr.includes(perToken),
  );
}

/** Text of the tooltip beside the title. */
function describe({ meaning, idle, whenRed }: Panel, locale: Locale): string {
  const say = words(locale);
  const red = whenRed && say({ en: 'When red: ', zh: '变红时：' }) + say(whenRed);
  return [say(meaning), say(idleSentences[idle]), red].filter(Boolean).join('\n\n');
}

function buildKind({ kind, unit, thresholds }: Panel) {
  const drawn = {
    stat: () =>
      new StatBuilder()
        .maxDataPoints(sparklinePoints)
        .unit(grafanaUnit(unit))
        .reduceOptions(latest)
        .thresholds(steps(thresholds))
        .colorMode(thresholds ? BigValueColorMode.Value : BigValueColorMode.None)
        .graphMode(BigValueGraphMode.Area),
    info: () =>
      new StatBuilder()
        .maxDataPoints(sparklinePoints)
        .reduceOptions(latest)
        .textMode(BigValueTextMode.Name)
        .colorMode(BigValueColorMode.None)
        .graphMode(BigValueGraphMode.None),
    gauge: () =>
      new GaugeBuilder()
        .maxDataPoints(sparklinePoints)
        .unit(grafanaUnit(unit))
        .reduceOptions(latest)
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

/** A colour of Grafana applies from its value upwards; the first one has no value. */
function steps(thresholds: Thresholds | undefined): ThresholdsConfigBuilder {
  return new ThresholdsConfigBuilder().mode(ThresholdsMode.Absolute).steps(colours(thresholds));
}

function colours(thresholds: Thresholds | undefined): Threshold[] {
  if (thresholds === undefined) return [{ value: null, color: 'green' }];
  const { red, orange, when } = thresholds;
  const colors = ['green', 'orange', 'red'];
  const [first = '', second = '', third = ''] = when === 'above' ? colors : colors.toReversed();
  const [lower, upper] = when === 'above' ? [orange ?? red, red] : [red, orange ?? red];
  const between = orange === undefined ? [] : [{ value: lower, color: second }];
  return [{ value: null, color: first }, ...between, { value: upper, color: third }];
}

/** UCUM → id of Grafana's unit. */
function grafanaUnit(unit: Unit): string {
  const ids = { s: 's', By: 'bytes', '1': 'percentunit', x: 'none' };
  if (unit in ids) return ids[unit as keyof typeof ids];
  const [, noun = '', perSecond] = /^\{(.*)\}(\/s)?$/.exec(unit) ?? [];
  return perSecond === undefined ? 'short' : `suffix: ${noun}s/s`;
}
