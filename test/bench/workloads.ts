/** The workloads of the benchmark, and the samples that they give. */
import { streamCompletion, type Streamed } from './completion-stream.ts';
import type { Contender, ContenderName, Reading } from './contenders.ts';
import { foreignCores, secondsByRole } from './cpu-time.ts';
import { writePrompt } from './prompts.ts';
import type { Settings } from './settings.ts';

export interface Sample {
  contender: ContenderName;
  workload: 'short' | 'long' | 'second turn';
  round: number;
  /** Number of concurrent streams. */
  width: number;
  tokensPerSecond: number;
  firstTokenSeconds: readonly number[];
  /** Times between two tokens, of all streams. */
  gapSeconds: readonly number[];
  /** Means over the streams. */
  inputTokens: number;
  cachedTokens: number;
  /** CPU time by process per 1,000 output tokens, prompts included. */
  cpuSeconds: Readonly<Record<string, number>>;
  eventLoopDelaySeconds?: number | undefined;
  /** Average number of cores that other programs kept busy. */
  foreignCores: number;
}

/** How a new request with a long prompt delays the streams that decode when it arrives. */
export interface Stall {
  contender: ContenderName;
  round: number;
  longestGapSeconds: number;
  /** Infinity if the request had no token when the measurement gave up. */
  newcomerFirstTokenSeconds: number;
  /** The same measurement as in a sample. */
  foreignCores: number;
}

/** One contender's turn in one round. */
export interface Turn {
  settings: Settings;
  contender: Contender;
  round: number;
  /** Seed of the next prompt; within a round, every contender gets the same seeds. */
  nextSeed(): number;
}

/** A sample repeats its bursts until this many streams were measured. */
const streamsPerSample = 4;
/**
 * With random weights an answer may end early, by itself or with an error (llama-server refuses invalid UTF-8). Such a measurement
 * is repeated with new prompts, because the work differs.
 */
const attempts = 20;
const decodingStreams = 3;
/** After this many tokens of each stream the new request is sent. */
const tokensBeforeNewcomer = 8;
const newcomerTokens = 8;
/** One loop per request can starve a new request as long as the others decode. */
const newcomerPatienceMillis = 30_000;
/** Tokens of the question of a second turn. */
const questionTokens = 24;

/** Uses every sequence once. */
export async function warmUp(contender: Contender, settings: Settings): Promise<void> {
  const prompts = Array.from({ length: settings.sequences }, (_, at) => writePrompt(32, -1 - at));
  await Promise.all(
    prompts.map((prompt) => streamCompletion(contender.url, { prompt, maxTokens: 4 })),
  );
}

/** `width` short prompts arrive at the same moment. */
export async function measureShort(turn: Turn, width: number): Promise<Sample> {
  return repeat(turn, async () => {
    const before = await turn.contender.read();
    const bursts: Streamed[][] = [];
    while (bursts.length * width < streamsPerSample) {
      const prompts = newPrompts(turn, width, turn.settings.shortPromptTokens);
      bursts.push(await answerAll(turn, prompts));
    }
    if (!areWhole(turn, bursts.flat())) return undefined;
    checkPrompts(turn, bursts.flat(), turn.settings.shortPromptTokens);
    return summarise(turn, { workload: 'short', width, bursts, before });
  });
}

/** `width` long prompts arrive at the same moment; when all are answered, each conversation continues. */
export async function measureLong(turn: Turn, width: number): Promise<[Sample, Sample]> {
  return repeat(turn, async () => {
    const prompts = newPrompts(turn, width, turn.settings.longPromptTokens);
    const before = await turn.contender.read();
    const first = await answerAll(turn, prompts);
    const between = await turn.contender.read();
    const continued = prompts.map((prompt, at) =>
      [prompt, first[at]!.text, writePrompt(questionTokens, turn.nextSeed())].join(' '),
    );
    const second = await answerAll(turn, continued);
    if (!areWhole(turn, [...first, ...second])) return undefined;
    checkPrompts(turn, first, turn.settings.longPromptTokens);
    return [
      await summarise(turn, { workload: 'long', width, bursts: [first], before, after: between }),
      await summarise(turn, { workload: 'second turn', width, bursts: [second], before: between }),
    ];
  });
}

/** Three streams decode when a request with a long prompt arrives. */
export async function measureStall(turn: Turn): Promise<Stall> {
  const { contender, settings, round } = turn;
  return repeat(turn, async () => {
    const before = await contender.read();
    const leave = new AbortController();
    const maxTokens = settings.contextTokens - settings.shortPromptTokens - 1;
    const prompts = newPrompts(turn, decodingStreams, settings.shortPromptTokens);
    let decoding = 0;
    const allDecode = Promise.withResolvers<void>();
    const others = prompts.map((prompt) => {
      let tokens = 0;
      return streamCompletion(contender.url, {
        prompt,
        maxTokens,
        signal: leave.signal,
        onToken() {
          tokens += 1;
          if (tokens === tokensBeforeNewcomer) decoding += 1;
          if (decoding === decodingStreams) allDecode.resolve();
        },
      });
    });
    const oneEnded = Promise.race(others).then(() => undefined);
    const [prompt] = newPrompts(turn, 1, settings.longPromptTokens);
    const newcomer = await Promise.race([
      allDecode.promise.then(() =>
        streamCompletion(contender.url, {
          prompt: prompt!,
          maxTokens: newcomerTokens,
          signal: AbortSignal.timeout(newcomerPatienceMillis),
        }),
      ),
      oneEnded,
    ]);
    leave.abort();
    const ended = await Promise.all(others);
    // A stream ended before the first token of the new request: repeat.
    if (newcomer === undefined || newcomer.failure !== undefined) return undefined;
    return {
      contender: contender.name,
      round,
      longestGapSeconds: Math.max(...ended.flatMap((stream) => gapsBeside(newcomer, stream))),
      newcomerFirstTokenSeconds:
        newcomer.tokenTimes.length === 0 ? Infinity : firstTokenSecondsOf(newcomer),
      foreignCores: foreignCores(before.cpu, (await contender.read()).cpu),
    };
  });
}

async function repeat<T>(turn: Turn, attempt: () => Promise<T | undefined>): Promise<T> {
  for (let count = 0; count < attempts; count++) {
    const result = await attempt();
    if (result !== undefined) return result;
  }
  throw new Error(`${turn.contender.name}: ${attempts} times in a row an answer ended early`);
}

function newPrompts(turn: Turn, count: number, tokens: number): string[] {
  return Array.from({ length: count }, () => writePrompt(tokens, turn.nextSeed()));
}

async function answerAll(turn: Turn, prompts: readonly string[]): Promise<Streamed[]> {
  const maxTokens = turn.settings.outputTokens;
  const { url } = turn.contender;
  return Promise.all(prompts.map((prompt) => streamCompletion(url, { prompt, maxTokens })));
}

function areWhole(turn: Turn, streams: readonly Streamed[]): boolean {
  return streams.every(
    ({ failure, outputTokens }) =>
      failure === undefined && outputTokens === turn.settings.outputTokens,
  );
}

/** @throws Error when the contender counts other tokens than the prompt was made of, because the work would differ. */
function checkPrompts(turn: Turn, streams: readonly Streamed[], tokens: number): void {
  const wrong = streams.find(({ inputTokens }) => inputTokens !== tokens);
  if (wrong === undefined) return;
  const { name } = turn.contender;
  throw new Error(
    `${name}: expected a prompt of ${tokens} tokens, it counted ${wrong.inputTokens}`,
  );
}

interface Measured {
  workload: Sample['workload'];
  width: number;
  bursts: readonly Streamed[][];
  before: Reading;
  after?: Reading;
}

async function summarise(turn: Turn, measured: Measured): Promise<Sample> {
  const { workload, width, bursts, before } = measured;
  const after = measured.after ?? (await turn.contender.read());
  const streams = bursts.flat();
  const seconds = sum(bursts.map(secondsOf));
  const outputTokens = sum(streams.map((stream) => stream.outputTokens));
  const cpuSeconds = Object.entries(secondsByRole(before.cpu, after.cpu)).map(
    ([role, spent]) => [role, (spent / outputTokens) * 1000] as const,
  );
  return {
    contender: turn.contender.name,
    workload,
    round: turn.round,
    width,
    tokensPerSecond: outputTokens / seconds,
    firstTokenSeconds: streams.map(firstTokenSecondsOf),
    gapSeconds: streams.flatMap((stream) => gapsOf(stream).map(({ seconds }) => seconds)),
    inputTokens: sum(streams.map((stream) => stream.inputTokens)) / streams.length,
    cachedTokens: sum(streams.map((stream) => stream.cachedTokens)) / streams.length,
    cpuSeconds: Object.fromEntries(cpuSeconds),
    eventLoopDelaySeconds: after.eventLoopDelaySeconds,
    foreignCores: foreignCores(before.cpu, after.cpu),
  };
}

function sum(values: readonly number[]): number {
  return values.reduce((total, value) => total + value, 0);
}

function secondsOf(burst: readonly Streamed[]): number {
  const begin = Math.min(...burst.map((stream) => stream.sentAt));
  return (Math.max(...burst.map((stream) => stream.endedAt)) - begin) / 1000;
}

function firstTokenSecondsOf(stream: Streamed): number {
  return ((stream.tokenTimes[0] ?? NaN) - stream.sentAt) / 1000;
}

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
