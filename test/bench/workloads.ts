/** The workloads of the benchmark. Each gives a sample: the numbers of one contender in one round. */
import { streamChat, type Message, type Streamed } from './chat-stream.ts';
import type { Contender, ContenderName } from './contenders.ts';
import { foreignCores, secondsByRole } from './cpu-time.ts';
import { percentile, sum } from './statistics.ts';
import { writeQuestion, writeText } from './text.ts';

export interface Quantiles {
  p50: number;
  p95: number;
  longest: number;
}

export interface Sample {
  contender: ContenderName;
  workload: WorkloadName;
  round: number;
  /** Output tokens of all streams, divided by the time from the first request to the last token. */
  tokensPerSecond: number;
  /** Seconds from request to first token: of first turns, and of the turns after them. */
  firstToken: Quantiles;
  laterFirstToken?: Quantiles;
  /** Seconds between two tokens of one stream; in `newcomer`, while the new prompt is read. */
  gap: Quantiles;
  /** Means over the requests. */
  inputTokens: number;
  cachedTokens: number;
  outputTokens: number;
  /** CPU seconds by process. */
  cpuSeconds: Readonly<Record<string, number>>;
  eventLoopDelaySeconds?: number | undefined;
  /** Average number of cores that other programs kept busy. */
  foreignCores: number;
  /** The part's length, for the estimate. */
  seconds: number;
}

export interface Sizes {
  shortTokens: number;
  systemTokens: number;
  turnTokens: number;
  documentTokens: number;
  outputTokens: number;
  /** Most tokens of the streams that decode while another prompt is read. */
  longOutputTokens: number;
}

export const fullSizes: Sizes = {
  shortTokens: 66,
  systemTokens: 450,
  turnTokens: 40,
  documentTokens: 1500,
  outputTokens: 48,
  longOutputTokens: 1000,
};
export const smokeSizes: Sizes = {
  shortTokens: 30,
  systemTokens: 60,
  turnTokens: 20,
  documentTokens: 120,
  outputTokens: 6,
  longOutputTokens: 100,
};

/** One contender's turn in one round. Within a round, every contender gets the same prompts. */
export interface Turn {
  contender: Contender;
  sizes: Sizes;
  /** A new one at each call. */
  nextSeed(): number;
}

/** The streams of a workload: first turns of conversations, and the turns after them. */
interface Measured {
  first: Streamed[];
  later?: Streamed[];
  /** Overrides the gaps of all streams. */
  gaps?: number[];
}

interface Workload {
  title: string;
  measure: (turn: Turn) => Promise<Measured>;
  /** Of a part on two cores that read 47 tokens a second, for the estimate. */
  seconds: number;
}

type Conversation = Message[];

const tokensBeforeNewcomer = 8;
/** The measurement ends when the new request has no token after this time. */
const newcomerPatienceMillis = 180_000;

/** `bursts` times, `width` prompts without a common part arrive at the same moment. */
function different(width: number, bursts: number): Workload {
  return {
    title: `different prompts, ${width}`,
    async measure(turn) {
      const streams: Streamed[] = [];
      for (let burst = 0; burst < bursts; burst++) {
        const prompts = times(width, () => [ask(turn, turn.sizes.shortTokens)]);
        streams.push(...(await Promise.all(prompts.map((messages) => answer(turn, messages)))));
      }
      return { first: streams };
    },
    seconds: 3.7 * bursts * (1 + 0.6 * (width - 1)),
  };
}

/** Four people with one system prompt arrive at the same moment; each goes on for three turns at their own pace. */
async function fourPeople(turn: Turn, system: Message): Promise<Measured> {
  const people = await Promise.all(times(4, () => converse(turn, [system], 3)));
  return {
    first: people.map((turns) => turns[0]!),
    later: people.flatMap((turns) => turns.slice(1)),
  };
}

/** `width` documents arrive at the same moment; when one is answered, a second question about it follows. */
function documents(width: number): Workload {
  return {
    title: `documents of 1,500 tokens, ${width}`,
    async measure(turn) {
      const people = await Promise.all(
        times(width, () => converse(turn, [], 2, writeDocument(turn))),
      );
      return { first: people.map((turns) => turns[0]!), later: people.map((turns) => turns[1]!) };
    },
    seconds: 14 + 30 * width,
  };
}

export const workloads = {
  'different 1': different(1, 3),
  'different 2': different(2, 1),
  'different 4': different(4, 1),
  'different 8': different(8, 1),
  'people, new': {
    title: 'four people, one new system prompt, three turns',
    measure: (turn) => fourPeople(turn, writeSystem(turn)),
    seconds: 85,
  },
  'people, known': {
    title: 'four people, a system prompt that one conversation has, three turns',
    async measure(turn) {
      const system = writeSystem(turn);
      const messages = [system, ask(turn, turn.sizes.turnTokens)];
      await streamChat(turn.contender.url, { messages, maxTokens: 4 });
      return fourPeople(turn, system);
    },
    seconds: 65,
  },
  'beside its owner': {
    title: 'a new conversation while the one with its system prompt is being answered',
    measure(turn) {
      const system = writeSystem(turn);
      const [owner, newcomer] = times(2, () => [system, ask(turn, turn.sizes.turnTokens)]);
      return measureNewcomer(turn, [owner!], newcomer!);
    },
    seconds: 24,
  },
  'documents 1': documents(1),
  'documents 4': documents(4),
  newcomer: {
    title: 'a prompt of 1,500 tokens while three decode',
    measure(turn) {
      const others = times(3, () => [ask(turn, turn.sizes.shortTokens)]);
      return measureNewcomer(turn, others, [writeDocument(turn)]);
    },
    seconds: 60,
  },
} as const satisfies Record<string, Workload>;

export type WorkloadName = keyof typeof workloads;
export const workloadNames = Object.keys(workloads) as WorkloadName[];

/** Uses every sequence once, with a prompt that shares nothing but the template with later ones. */
export async function warmUp(turn: Turn): Promise<void> {
  const ask = (seed: number): Message => ({ role: 'user', content: writeQuestion(0, seed) });
  await Promise.all(
    times(4, () =>
      streamChat(turn.contender.url, { messages: [ask(turn.nextSeed())], maxTokens: 4 }),
    ),
  );
}

/** Measures a workload. @throws Error when the contender refuses or breaks a stream. */
export async function measure(
  turn: Turn,
  name: WorkloadName,
): Promise<Omit<Sample, 'contender' | 'workload' | 'round' | 'seconds'>> {
  const before = await turn.contender.read();
  const { first, later = [], gaps }: Measured = await workloads[name].measure(turn);
  const after = await turn.contender.read();
  const streams = [...first, ...later];
  const tokens = streams.map(({ outputTokens, tokenTimes }) => outputTokens || tokenTimes.length);
  const mean = (values: number[]) => sum(values) / streams.length;
  return {
    tokensPerSecond: sum(tokens) / busySeconds(streams),
    firstToken: quantiles(first.map(firstTokenSeconds)),
    ...(later.length > 0 && { laterFirstToken: quantiles(later.map(firstTokenSeconds)) }),
    gap: quantiles(
      gaps ?? streams.flatMap((stream) => gapsOf(stream).map(({ seconds }) => seconds)),
    ),
    inputTokens: mean(streams.map((stream) => stream.inputTokens)),
    cachedTokens: mean(streams.map((stream) => stream.cachedTokens)),
    outputTokens: mean(tokens),
    cpuSeconds: secondsByRole(before.cpu, after.cpu),
    eventLoopDelaySeconds: after.eventLoopDelaySeconds,
    foreignCores: foreignCores(before.cpu, after.cpu),
  };
}

/** Sends `newcomer` when each of `others` decodes, and stops them when it is answered. */
async function measureNewcomer(
  turn: Turn,
  others: readonly Conversation[],
  newcomer: Conversation,
): Promise<Measured> {
  const { url } = turn.contender;
  const leave = new AbortController();
  const allDecode = Promise.withResolvers<void>();
  let decoding = 0;
  const streams = others.map((messages) => {
    let tokens = 0;
    return streamChat(url, {
      messages,
      maxTokens: turn.sizes.longOutputTokens,
      signal: leave.signal,
      onToken() {
        if (++tokens === tokensBeforeNewcomer && ++decoding === others.length) allDecode.resolve();
      },
    });
  });
  await Promise.race([allDecode.promise, Promise.all(streams)]);
  const maxTokens = Math.min(turn.sizes.outputTokens, 16);
  const signal = AbortSignal.timeout(newcomerPatienceMillis);
  const added = await streamChat(url, { messages: newcomer, maxTokens, signal });
  leave.abort();
  const ended = await Promise.all(streams);
  return { first: [added], gaps: ended.flatMap((stream) => gapsBeside(added, stream)) };
}

/** Turns of one person, each sent when the last is answered. */
async function converse(
  turn: Turn,
  before: Conversation,
  turns: number,
  opening = ask(turn, turn.sizes.turnTokens),
): Promise<Streamed[]> {
  const questions = [opening, ...times(turns - 1, () => ask(turn, turn.sizes.turnTokens))];
  const messages = [...before];
  const streams: Streamed[] = [];
  for (const question of questions) {
    messages.push(question);
    const stream = await answer(turn, [...messages]);
    messages.push({ role: 'assistant', content: stream.text });
    streams.push(stream);
  }
  return streams;
}

const times = <Item>(count: number, make: () => Item) => Array.from({ length: count }, make);

const ask = (turn: Turn, tokens: number): Message => ({
  role: 'user',
  content: writeQuestion(tokens, turn.nextSeed()),
});

const writeSystem = (turn: Turn): Message => ({
  role: 'system',
  content: writeText('rules', turn.sizes.systemTokens, turn.nextSeed()),
});

const writeDocument = (turn: Turn): Message => ({
  role: 'user',
  content: writeQuestion(turn.sizes.documentTokens, turn.nextSeed()),
});

const answer = (turn: Turn, messages: Conversation) =>
  streamChat(turn.contender.url, { messages, maxTokens: turn.sizes.outputTokens });

const quantiles = (values: readonly number[]): Quantiles => ({
  p50: percentile(values, 50),
  p95: percentile(values, 95),
  longest: percentile(values, 100),
});

const firstTokenSeconds = ({ tokenTimes, sentAt, endedAt }: Streamed) =>
  ((tokenTimes[0] ?? endedAt) - sentAt) / 1000;

function gapsOf({ tokenTimes }: Streamed): { from: number; to: number; seconds: number }[] {
  return tokenTimes.slice(1).map((to, at) => {
    const from = tokenTimes[at]!;
    return { from, to, seconds: (to - from) / 1000 };
  });
}

/** The gaps of a stream that overlap with the time from sending the new request to its first token. */
function gapsBeside(newcomer: Streamed, stream: Streamed): number[] {
  const firstTokenAt = newcomer.tokenTimes[0] ?? newcomer.endedAt;
  return gapsOf(stream)
    .filter(({ from, to }) => to > newcomer.sentAt && from < firstTokenAt)
    .map(({ seconds }) => seconds);
}

/** The time in which at least one of the streams was open. */
function busySeconds(streams: readonly Streamed[]): number {
  let until = 0;
  let millis = 0;
  for (const { sentAt, endedAt } of streams.toSorted((a, b) => a.sentAt - b.sentAt)) {
    millis += Math.max(0, endedAt - Math.max(until, sentAt));
    until = Math.max(until, endedAt);
  }
  return millis / 1000;
}
