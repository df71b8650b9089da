/** The processes: event loop, memory, CPU quota. Each alert is about one instance. Generates `process.yml`. */
import { jobs } from '../../otel/names.ts';
import { ofChat, series } from '../../otel/promql.ts';
import type { Alert, RuleContext } from './rule.ts';

export function processAlerts(context: RuleContext): Alert[] {
  return [eventLoopDelayHigh(context), memoryGrowth(context), cpuThrottled(context)];
}

/** Of every Node process that is scraped, so of the notifier too. */
function eventLoopDelayHigh({ thresholds }: RuleContext): Alert {
  const threshold = thresholds.eventLoopDelayHigh;
  const graph = series('nodejsEventloopDelayP99', '');
  return {
    alert: 'EventLoopDelayHigh',
    threshold,
    labels: { severity: 'warning' },
    graph,
    expr: `${graph} > ${threshold.above}`,
    summary: { en: 'The event loop is blocked', zh: '事件循环阻塞' },
    description: {
      en: 'P99 of the event loop delay of {{ $labels.job }} ({{ $labels.instance }}) is {{ $value | humanizeDuration }}, above <above> s for more than <for>.',
      zh: '{{ $labels.job }}（{{ $labels.instance }}）事件循环延迟的 P99 为 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  };
}

/**
 * A leak grows in every hour; a cache that fills, a large prompt or a restart is a single step, in one hour only. `deriv` fits a
 * line, which garbage collection does not move.
 */
function memoryGrowth({ thresholds, duration, seconds }: RuleContext): Alert {
  const threshold = thresholds.memoryGrowth;
  const { above, windowSeconds, minimumUptimeSeconds } = threshold;
  const [hour, twoHours, threeHours] = [1, 2, 3].map((count) => duration(windowSeconds * count));
  const memory = series('processMemoryUsage', ofChat());
  const growth = (window = '', offset = ''): string =>
    `deriv(${memory}[${window}]${offset}) * ${seconds(windowSeconds)} / (${memory} > 0)`;
  const graph = growth(threeHours);
  const eachHour = ['', ` offset ${hour}`, ` offset ${twoHours}`]
    .map((offset) => `${growth(hour, offset)} > ${above}`)
    .join(' and ');
  const uptime = `${series('processUptime', ofChat())} > ${seconds(minimumUptimeSeconds)}`;
  return {
    alert: 'MemoryGrowth',
    threshold,
    labels: { severity: 'warning', job: jobs.chat },
    graph,
    expr: `${graph} > ${above} and ${eachHour} and ${uptime}`,
    summary: { en: 'Memory keeps growing', zh: '内存持续增长' },
    description: {
      en: 'The {{ $labels.process_role }} process of {{ $labels.instance }} grows by {{ $value | humanizePercentage }} of its size every <window>, above <above%> in each of the last three.',
      zh: '{{ $labels.instance }} 的 {{ $labels.process_role }} 进程每 <window>增长 {{ $value | humanizePercentage }}，最近三个时段均高于 <above%>。',
    },
  };
}

function cpuThrottled({ thresholds, duration }: RuleContext): Alert {
  const threshold = thresholds.cpuThrottled;
  const window = duration(threshold.windowSeconds);
  const graph = `rate(${series('containerCpuThrottledTime', '')}[${window}])`;
  return {
    alert: 'CpuThrottled',
    threshold,
    labels: { severity: 'warning' },
    graph,
    expr: `${graph} > ${threshold.above}`,
    summary: { en: 'The CPU quota throttles the service', zh: 'CPU 限流' },
    description: {
      en: '{{ $labels.instance }} is throttled for {{ $value | humanizeDuration }} of each second over <window>, above <above> s for more than <for>.',
      zh: '{{ $labels.instance }} 最近 <window>平均每秒被限流 {{ $value | printf "%.2f" }} 秒，高于 <above> 秒，已持续 <for>。',
    },
  };
}
