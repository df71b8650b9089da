/** The processes beneath: event loop, memory, CPU quota; written to `process.yml`. Each alert is about one instance. */
import { jobs } from '../../otel/names.ts';
import { ofChat, series } from '../../otel/promql.ts';
import { inChinese, percent } from './rule.ts';
import type { Alert, RuleContext } from './rule.ts';

export function processAlerts(context: RuleContext): Alert[] {
  return [eventLoopDelayHigh(context), memoryGrowth(context), cpuThrottled(context)];
}

/** Of every Node process that is scraped: the notifier's too. */
function eventLoopDelayHigh({ thresholds, duration }: RuleContext): Alert {
  const { above, forSeconds } = thresholds.eventLoopDelayHigh;
  const held = duration(forSeconds);
  const graph = series('nodejsEventloopDelayP99', '');
  return {
    alert: 'EventLoopDelayHigh',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: 'The event loop is blocked',
        description: `P99 of the event loop delay of {{ $labels.job }} ({{ $labels.instance }}) is {{ $value | humanizeDuration }}, above ${above} s for more than ${held}.`,
      },
      zh: {
        summary: '事件循环阻塞',
        description: `{{ $labels.job }}（{{ $labels.instance }}）事件循环延迟的 P99 为 {{ $value | humanizeDuration }}，超过 ${above} 秒已达 ${inChinese(held)}。`,
      },
    },
  };
}

/**
 * A leak grows in every hour; a cache that fills, a large prompt or a restart is a step, and a step is in one hour only.
 * The slope is that of a fitted line, so that garbage collection does not show.
 */
function memoryGrowth({ thresholds, duration, seconds }: RuleContext): Alert {
  const { above, ...rest } = thresholds.memoryGrowth;
  const [hour, held] = [duration(rest.windowSeconds), duration(rest.forSeconds)];
  const hours = [1, 2, 3].map((count) => duration(rest.windowSeconds * count));
  const memory = series('processMemoryUsage', ofChat());
  const growth = (window: string, offset = ''): string =>
    `deriv(${memory}[${window}]${offset}) * ${seconds(rest.windowSeconds)} / (${memory} > 0)`;
  const graph = growth(hours[2] ?? '');
  const eachHour = ['', ` offset ${hours[0]}`, ` offset ${hours[1]}`]
    .map((offset) => `${growth(hour, offset)} > ${above}`)
    .join(' and ');
  const uptime = `${series('processUptime', ofChat())} > ${seconds(rest.minimumUptimeSeconds)}`;
  return {
    alert: 'MemoryGrowth',
    expr: `${graph} > ${above} and ${eachHour} and ${uptime}`,
    for: held,
    labels: { severity: 'warning', job: jobs.chat },
    graph,
    text: {
      en: {
        summary: 'Memory grows without end',
        description: `The {{ $labels.process_role }} process of {{ $labels.instance }} grows by {{ $value | humanizePercentage }} of its size each ${hour}, above ${percent(above)} in each of the last three.`,
      },
      zh: {
        summary: '内存持续增长',
        description: `{{ $labels.instance }} 的 {{ $labels.process_role }} 进程每 ${inChinese(hour)}增长 {{ $value | humanizePercentage }}，最近三个时段都超过 ${percent(above)}。`,
      },
    },
  };
}

function cpuThrottled({ thresholds, duration }: RuleContext): Alert {
  const { above, windowSeconds, forSeconds } = thresholds.cpuThrottled;
  const [window, held] = [duration(windowSeconds), duration(forSeconds)];
  const graph = `rate(${series('containerCpuThrottledTime', '')}[${window}])`;
  return {
    alert: 'CpuThrottled',
    expr: `${graph} > ${above}`,
    for: held,
    labels: { severity: 'warning' },
    graph,
    text: {
      en: {
        summary: 'The CPU quota holds the service back',
        description: `{{ $labels.instance }} is held back for {{ $value | humanizeDuration }} of each second over ${window}, above ${above} s for more than ${held}.`,
      },
      zh: {
        summary: 'CPU 配额不足',
        description: `{{ $labels.instance }} 最近 ${inChinese(window)}每秒被限制 {{ $value | humanizeDuration }}，超过 ${above} 秒已达 ${inChinese(held)}。`,
      },
    },
  };
}
