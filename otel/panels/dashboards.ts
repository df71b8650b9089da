/**
 * The dashboards: every panel once, in rows. `stack/grafana.ts` writes them for Grafana, the console serves them at
 * GET /api/panels; a new panel is one entry in a file beside this one and one name here.
 */
import { attributes } from '../names.ts';
import { labelName } from '../prometheus/prometheus-names.ts';
import type { Text } from '../text.ts';
import type { Panel } from './panel.ts';
import * as delivery from './delivery.ts';
import * as inference from './inference.ts';
import * as monitor from './monitor.ts';
import * as pipeline from './pipeline.ts';
import { ofChat, selectedChat, series } from '../promql.ts';
import * as service from './service.ts';
import * as slo from './slo.ts';

export interface Row {
  /** A heading above the row; none for the first. */
  title?: Text;
  /** In Grafana's grid units of 30 pixels. */
  height: number;
  /** Side by side, equally wide: 1, 2, 3, 4, 6 or 8 of them. */
  panels: readonly Panel[];
}

export interface Dashboard {
  /** Grafana's uid and the name of the file. */
  id: string;
  title: Text;
  meaning: Text;
  rows: readonly Row[];
}

export const dashboards: readonly Dashboard[] = [
  {
    id: 'qwen-monitor',
    // The article's name for it, in both languages.
    title: { en: 'Qwen2.5-0.5B Instruct Monitor', zh: 'Qwen2.5-0.5B Instruct Monitor' },
    meaning: {
      en: 'The health of the service at one glance.',
      zh: '一眼掌握服务的整体健康度。',
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
      en: 'Where the time of an answer goes, and what limits the next one.',
      zh: '一次回答的时间花在哪里，下一次受什么限制。',
    },
    rows: [
      {
        height: 5,
        panels: [inference.ready, inference.model, inference.sequencesUsed, inference.contextUsed],
      },
      {
        title: { en: 'Where the time goes', zh: '时间花在哪里' },
        height: 8,
        panels: [inference.phases, inference.generationTime],
      },
      {
        title: { en: 'What a reader feels', zh: '读者的感受' },
        height: 8,
        panels: [inference.firstToken, inference.interToken, inference.perToken],
      },
      {
        title: { en: 'Waiting', zh: '等待' },
        height: 8,
        panels: [service.queueDepth, service.queueTime, inference.sequences],
      },
      {
        title: { en: 'What the model remembers', zh: '模型的记忆' },
        height: 8,
        panels: [service.contextTokens, service.cacheHits],
      },
      {
        title: { en: 'Throughput', zh: '吞吐' },
        height: 8,
        panels: [inference.tokens, inference.tokensPerCpu, inference.tokenCounts],
      },
      {
        title: { en: 'How it ends', zh: '如何结束' },
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
      en: 'What was promised, and how much of the budget for failure is left.',
      zh: '承诺了什么，允许失败的预算还剩多少。',
    },
    rows: [
      { height: 6, panels: [slo.budgetLeft, slo.burnNow, slo.kept] },
      {
        title: { en: 'How fast the budget burns', zh: '预算消耗速度' },
        height: 9,
        panels: [slo.burnAvailability, slo.burnLatency],
      },
      {
        title: { en: 'What burns it', zh: '消耗来自哪里' },
        height: 9,
        panels: [slo.byStatus, service.refusals],
      },
    ],
  },
  {
    id: 'pipeline',
    title: { en: 'Pipeline', zh: '监控链路' },
    meaning: {
      en: 'Whether what you see is true, and whether an alert would reach you.',
      zh: '看到的是否可信，告警能否送达。',
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
        title: { en: 'Series and losses', zh: '序列与丢失' },
        height: 8,
        panels: [pipeline.telemetrySeries, pipeline.storedSeries, pipeline.telemetryLost],
      },
      {
        title: { en: 'Rules and alerts', zh: '规则与告警' },
        height: 8,
        panels: [pipeline.ruleTime, pipeline.ruleFailures, delivery.alerts],
      },
      {
        title: { en: 'On the way to a person', zh: '送达用户的路上' },
        height: 8,
        panels: [
          delivery.toAlertmanager,
          delivery.fromAlertmanager,
          delivery.deliveries,
          delivery.deadLetters,
        ],
      },
    ],
  },
];

/** Each panel once, in the order of the dashboards. */
export const panels: readonly Panel[] = [
  ...new Set(dashboards.flatMap(({ rows }) => rows.flatMap((row) => row.panels))),
];

/** What is marked on every graph of every dashboard. */
export const annotations = [
  {
    title: { en: 'Alerts', zh: '告警' },
    expr: 'ALERTS{alertstate="firing", alertname!="Watchdog"}',
    label: '{{alertname}} {{instance}}',
    color: 'red',
  },
  {
    // Two minutes bridge the scrapes that a restart costs.
    title: { en: 'Deploys', zh: '部署' },
    expr: `changes(${series('processStartTime', `${selectedChat}, process_role="api"`)}[2m]) > 0`,
    label: '{{instance}}',
    color: 'blue',
  },
] as const;

/** What the dashboards' `$instance` and `$model` choose from. */
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
