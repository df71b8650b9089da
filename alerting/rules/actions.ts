/** The first command for each alert: a message shows it, so that somebody who was woken can paste it. The runbook has the rest. */

const logs = (name: string): string => `make logs NAME=${name}`;

/** Alert → command. An alert that tells nobody has none. */
export const actions: ReadonlyMap<string, string> = new Map([
  ['TargetDown', 'make status'],
  ['AllTargetsDown', 'make up'],
  ['MetricsAbsent', 'make status'],
  ['HighErrorRate', logs('chat')],
  ['HighLatency', 'make trace'],
  ['ChatErrorBudgetBurn', logs('chat')],
  ['TimeToFirstTokenHigh', 'make trace'],
  ['TimePerOutputTokenHigh', 'make status'],
  ['ChatLatencyHigh', 'make trace'],
  ['TokenThroughputCollapse', logs('chat')],
  ['EngineNotReady', logs('chat')],
  ['QueueBacklog', 'make status'],
  ['RequestsRejected', 'make status'],
  ['ContextSaturated', 'make status'],
  ['StreamsStalled', logs('chat')],
  ['AnswersDegraded', 'make chat Q="Hello"'],
  ['EventLoopDelayHigh', logs('chat')],
  ['MemoryGrowth', 'make status'],
  ['CpuThrottled', 'make status'],
  ['ScrapeSlow', 'make status'],
  ['SeriesCeilingReached', logs('chat')],
  ['TelemetryDropping', logs('chat')],
  ['RuleEvaluationFailing', logs('prometheus')],
  ['AlertmanagerUnreachable', logs('alertmanager')],
  ['NotifierFailing', logs('notifier')],
  ['NotificationsLate', logs('notifier')],
  ['NotifierOutboxStuck', logs('notifier')],
]);
