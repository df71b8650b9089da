/** The processes: event loop, memory, CPU quota. Each alert is about one instance. Generates `process.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, series } from '../../otel/promql.ts';
import type { Alert } from './rule.ts';

const memory = series('processMemoryUsage', ofChat());
/**
 * Growth per `windowSeconds` as a share of the average memory in the window. `deriv` fits a line through all samples, so that garbage
 * collection has little effect on the slope.
 */
const growth = (window: string, offset = ''): string => {
  const samples = `${memory}[${window}]${offset}`;
  return `deriv(${samples}) * <windowSeconds> / (avg_over_time(${samples}) > 0)`;
};

export const processAlerts: Alert[] = [
  {
    // Every Node process that is scraped, the notifier included.
    alert: 'EventLoopDelayHigh',
    labels: { severity: 'warning' },
    graph: series('nodejsEventloopDelayP99', ''),
    summary: { en: 'The event loop is blocked', zh: '事件循环阻塞' },
    description: {
      en: 'P99 of the event loop delay of {{ $labels.job }} ({{ $labels.instance }}) is {{ $value | humanizeDuration }}, above <above> s for more than <for>.',
      zh: '{{ $labels.job }}（{{ $labels.instance }}）事件循环延迟的 P99 为 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  },
  {
    // A leak grows in every hour. A cache that fills, a large prompt or a restart causes growth in one hour only.
    alert: 'MemoryGrowth',
    labels: { severity: 'warning', job: jobs.chat },
    graph: growth('<threeWindows>'),
    expr: [
      '<graph> > <above>',
      `${growth('<window>')} > <above>`,
      `${growth('<window>', ' offset <window>')} > <above>`,
      `${growth('<window>', ' offset <twoWindows>')} > <above>`,
      `${series('processUptime', ofChat())} > <uptimeSeconds>`,
    ].join(' and '),
    numbers({ thresholds, duration, seconds }) {
      const { windowSeconds, minimumUptimeSeconds } = thresholds.memoryGrowth;
      return {
        twoWindows: duration(2 * windowSeconds),
        threeWindows: duration(3 * windowSeconds),
        windowSeconds: seconds(windowSeconds),
        uptimeSeconds: seconds(minimumUptimeSeconds),
      };
    },
    summary: { en: 'Memory keeps growing', zh: '内存持续增长' },
    description: {
      en: 'The {{ $labels.process_role }} process of {{ $labels.instance }} grows by {{ $value | humanizePercentage }} of its size every <window>, above <above%> in each of the last three.',
      zh: '{{ $labels.instance }} 的 {{ $labels.process_role }} 进程内存每 <window>增长 {{ $value | humanizePercentage }}，最近 3 个时段均高于 <above%>。',
    },
  },
  {
    alert: 'CpuThrottled',
    labels: { severity: 'warning' },
    graph: `rate(${series('cgroupCpuThrottledTime', '')}[<window>])`,
    summary: { en: 'The CPU quota throttles the service', zh: 'CPU 限流' },
    description: {
      en: '{{ $labels.instance }} is throttled for {{ $value | humanizeDuration }} of each second over <window>, above <above> s for more than <for>.',
      zh: '{{ $labels.instance }} 最近 <window>平均每秒被限流 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  },
];
