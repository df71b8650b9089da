/**
 * Where `names.ts` differs from OpenTelemetry's semantic conventions, and why. `metrics-page.ts` prints the table; a test compares
 * `names.ts` with the conventions and accepts only these differences.
 */

export interface Deviation {
  /** A metric or an attribute of `names.ts`. */
  name: string;
  /** The test finds differences of name, kind and labels; a difference of meaning is only documented. */
  of: 'name' | 'kind' | 'labels' | 'meaning';
  conventions: string;
  here: string;
  why: string;
}

const heapGauge = {
  of: 'kind',
  conventions: 'updowncounter',
  here: 'gauge',
  why: '`@opentelemetry/instrumentation-runtime-node` 0.37 records a gauge.',
} as const;

const bareLabel = {
  of: 'name',
  conventions: 'attribute names have a namespace',
  here: 'a label of `inference.*` and `notifier.*` metrics without a namespace',
  why: 'Every query writes it, and the name of the metric has the namespace. Spans have `inference.*` and `notifier.*`.',
} as const;

export const deviations: readonly Deviation[] = [
  {
    name: 'http.server.connections',
    of: 'name',
    conventions: 'no metric of open connections',
    here: 'gauge beside `http.server.active_requests`',
    why: 'Idle keep-alive connections hold file descriptors, and the number of requests does not show them.',
  },
  {
    name: 'process.start_time',
    of: 'name',
    conventions: 'the resource attribute `process.creation.time`',
    here: 'gauge in seconds since 1970',
    why: 'Dashboards find restarts by `process_start_time_seconds`, the name of the Prometheus clients.',
  },
  {
    name: 'process.role',
    of: 'name',
    conventions: 'no attribute',
    here: '`api` or `engine` on `process.*` metrics',
    why: 'The API process reports for the engine process, which is busy with llama.cpp.',
  },
  ...[
    'v8js.memory.heap.used',
    'v8js.memory.heap.space.available_size',
    'v8js.memory.heap.space.physical_size',
  ].map((name) => Object.assign({ name }, heapGauge)),
  ...[
    'outcome',
    'reason',
    'how',
    'state',
    'type',
    'channel',
    'architecture',
    'quantization',
    'parameters',
    'context',
    'sha256',
  ].map((name) => Object.assign({ name }, bareLabel)),
  {
    name: 'server.address',
    of: 'name',
    conventions: 'recommended on GenAI spans and metrics',
    here: 'absent',
    why: 'The client controls it by its Host header; `service.instance.id` says which process answered.',
  },
  {
    name: 'gen_ai.conversation.id',
    of: 'name',
    conventions: 'where it is available',
    here: 'absent',
    why: 'Requests have no conversation: the client sends all messages each time.',
  },
  {
    name: 'gen_ai.request.choice.count',
    of: 'name',
    conventions: 'if it is not 1',
    here: 'absent',
    why: 'It is always 1.',
  },
  {
    name: 'gen_ai.server.time_to_first_token',
    of: 'meaning',
    conventions: 'of successful responses',
    here: 'of every answer that had a first token',
    why: 'A client that leaves during a slow answer has waited for its first token too.',
  },
  {
    name: 'llamascope.cgroup.cpu.throttled.time',
    of: 'meaning',
    conventions: 'no metric of CPU throttling',
    here: 'counter in seconds',
    why: 'Host and process metrics do not show that a quota stops the process.',
  },
  {
    name: 'llamascope.cgroup.memory.limit',
    of: 'meaning',
    conventions: 'no metric of the limit of a cgroup',
    here: 'gauge in bytes',
    why: 'The kernel ends the process at this limit, which is below the memory of the machine.',
  },
];
