/**
 * The dashboards: all panels, in rows. `stack/grafana.ts` generates Grafana's dashboards from them, the console serves them at
 * GET /api/panels. A new panel is one entry in a file beside this one and one name here.
 */
import { attributes, needsEngine } from '../names.ts';
import { labelName } from '../prometheus/prometheus-names.ts';
import type { Text } from '../text.ts';
import type { Panel } from './panel.ts';
import { delivery } from './delivery.ts';
import { inference } from './inference.ts';
import { monitor } from './monitor.ts';
import { pipeline } from './pipeline.ts';
import { ofChat, selectedChat, series } from '../promql.ts';
import { service } from './service.ts';
import { slo } from './slo.ts';

export interface Row {
  /** Heading above the row; the first row has none. */
  title?: Text;
  /** Grafana's grid units of 30 pixels. */
  height: number;
  /** 1, 2, 3, 4, 6 or 8 panels, side by side and equally wide. */
  panels: readonly Panel[];
}

export interface Dashboard {
  /** Grafana's uid, and the name of the generated file. */
  id: string;
  title: Text;
  /** The title on our own page, where it differs. */
  pageTitle?: Text;
  meaning: Text;
  rows: readonly Row[];
}

export const dashboards: readonly Dashboard[] = [
  {
    id: 'qwen-monitor',
    // The article's name of the dashboard, used in both languages.
    title: { en: 'Qwen2.5-0.5B Instruct Monitor', zh: 'Qwen2.5-0.5B Instruct Monitor' },
    // Another model may be served.
    pageTitle: { en: 'Overview', zh: '总览' },
    meaning: {
      en: 'The health of the service at a glance. Whatever model is served, its scrape job is called qwen-instruct, as in the article whose queries work here.',
      zh: '服务的健康状况，一目了然。无论使用哪个模型，job 都叫 qwen-instruct，与文章一致，因此文章中的查询可以直接使用。',
    },
    rows: [
      { height: 5, panels: [monitor.totalRequests, monitor.successRatio, monitor.latencyP99] },
      { height: 9, panels: [monitor.latencyHeatmap, monitor.inferenceTime] },
      { height: 8, panels: [monitor.cpu, monitor.memory, monitor.activeConnections] },
    ],
  },
  {
    id: 'inference',
    title: { en: 'Inference', zh: '推理' },
    meaning: {
      en: 'Where a request spends its time, and what limits capacity.',
      zh: '请求各阶段的耗时，以及当前的容量瓶颈。',
    },
    rows: [
      {
        height: 5,
        panels: [inference.ready, inference.model, inference.sequencesUsed, inference.contextUsed],
      },
      {
        title: { en: 'Time by phase', zh: '各阶段耗时' },
        height: 8,
        panels: [inference.phases, inference.generationTime],
      },
      {
        title: { en: 'Latency for the user', zh: '用户感知延迟' },
        height: 8,
        panels: [inference.firstToken, inference.interToken, inference.perToken],
      },
      {
        title: { en: 'Queue and sequences', zh: '队列与并发' },
        height: 8,
        panels: [service.queueDepth, service.queueTime, inference.sequences],
      },
      {
        title: { en: 'Context and prefix cache', zh: '上下文与前缀缓存' },
        height: 8,
        panels: [service.contextTokens, service.cacheHits, service.prefixCopies],
      },
      {
        title: { en: 'Throughput', zh: '吞吐' },
        height: 8,
        panels: [inference.tokens, inference.tokensPerCpuSecond, inference.tokenCounts],
      },
      {
        title: { en: 'Outcomes', zh: '请求结果' },
        height: 8,
        panels: [
          service.finishReasons,
          service.refusals,
          service.streamEndings,
          inference.perplexity,
        ],
      },
      {
        title: { en: 'Processes and machine', zh: '进程与机器' },
        height: 8,
        panels: [service.cpuByRole, service.memoryByRole, service.eventLoop, service.hostCpu],
      },
    ],
  },
  {
    id: 'slo',
    title: { en: 'SLO', zh: 'SLO' },
    meaning: {
      en: 'The SLOs, and how much of each error budget is left.',
      zh: 'SLO 目标与剩余错误预算。',
    },
    rows: [
      { height: 6, panels: [slo.budgetLeft, slo.burnNow, slo.promiseKept] },
      {
        title: { en: 'Burn rates', zh: '燃烧率' },
        height: 9,
        panels: [slo.burnAvailability, slo.burnLatency],
      },
      {
        title: { en: 'Causes', zh: '消耗来源' },
        height: 9,
        panels: [slo.requestsByStatus, service.refusals],
      },
    ],
  },
  {
    id: 'pipeline',
    title: { en: 'Pipeline', zh: '监控链路' },
    meaning: {
      en: 'Whether the metrics are complete, and whether alerts are delivered.',
      zh: '指标是否完整，告警能否送达。',
    },
    rows: [
      {
        height: 5,
        panels: [pipeline.targetsUp, delivery.firing, delivery.pendingAge, delivery.heartbeatAge],
      },
      {
        title: { en: 'Scrapes', zh: '抓取' },
        height: 8,
        panels: [pipeline.scrapeTime, pipeline.scrapeSamples, pipeline.telemetryCost],
      },
      {
        title: { en: 'Series and losses', zh: '时间序列与丢失' },
        height: 8,
        panels: [pipeline.telemetrySeries, pipeline.storedSeries, pipeline.telemetryLost],
      },
      {
        title: { en: 'Rules and alerts', zh: '规则与告警' },
        height: 8,
        panels: [pipeline.ruleTime, pipeline.ruleFailures, delivery.alerts],
      },
      {
        title: { en: 'Delivery of alerts', zh: '告警投递' },
        height: 8,
        panels: [
          delivery.toAlertmanager,
          delivery.fromAlertmanager,
          delivery.deliveries,
          delivery.deadLetters,
        ],
      },
      {
        title: { en: 'Time to delivery', zh: '送达耗时' },
        height: 8,
        panels: [delivery.deliveryAge],
      },
    ],
  },
];

/** Each panel once, in the order of the dashboards. */
export function panelsOf(given: readonly Dashboard[]): readonly Panel[] {
  return [...new Set(given.flatMap(({ rows }) => rows.flatMap((row) => row.panels)))];
}

/** All panels. */
export const panels = panelsOf(dashboards);

/** The dashboards without what only an engine of our own can tell: without those queries, then without panels and rows that have nothing left. */
export function dashboardsFor({ hasEngine }: { hasEngine: boolean }): readonly Dashboard[] {
  if (hasEngine) return dashboards;
  const kept = new Map(
    panels.map((panel) => {
      const queries = panel.queries.filter(({ expr }) => !needsEngine(expr));
      return [panel, { ...panel, queries }] as const;
    }),
  );
  const keep = (panel: Panel): Panel[] => {
    const left = kept.get(panel);
    return left === undefined || left.queries.length === 0 ? [] : [left];
  };
  return dashboards.map(({ rows, ...dashboard }) => {
    const left = rows.map(({ panels: all, ...row }) => {
      const panels = all.flatMap(keep);
      return Object.assign(row, { panels });
    });
    return Object.assign(dashboard, { rows: left.filter((row) => row.panels.length > 0) });
  });
}

/** Marks on all graphs of all dashboards. */
export const annotations = [
  {
    title: { en: 'Alerts', zh: '告警' },
    expr: 'ALERTS{alertstate="firing", alertname!="Watchdog"}',
    label: '{{alertname}} {{instance}}',
    color: 'red',
  },
  {
    // Some scrapes fail during a restart; the range of two minutes covers them.
    title: { en: 'Deploys', zh: '部署' },
    expr: `changes(${series('processStartTime', `${selectedChat}, process_role="api"`)}[2m]) > 0`,
    label: '{{instance}}',
    color: 'blue',
  },
] as const;

/** Values that `$instance` and `$model` of a dashboard select from. */
export const variables = [
  {
    name: 'instance',
    title: { en: 'Instance', zh: '实例' },
    label: 'instance',
    of: `up{${ofChat()}}`,
  },
  {
    name: 'model',
    title: { en: 'Model', zh: '模型' },
    label: labelName(attributes.genAiRequestModel),
    of: series('inferenceModelInfo', ofChat()),
  },
] as const;
