/** What each contender is asked to do, and what was measured while it did. */
import { streamCompletion, type Streamed } from './completion-stream.ts';
import type { Contender, ContenderName, Reading } from './contenders.ts';
import { foreignCores, secondsByRole } from './cpu-time.ts';
import { writePrompt } from './prompts.ts';
import type { Settings } from './settings.ts';

export interface Sample {
  contender: ContenderName;
  workload: 'short' | 'long' | 'second turn';
  round: number;
  /** Streams at a time. */
  width: number;
  tokensPerSecond: number;
  firstTokenSeconds: readonly number[];
  /** Between one token and the next, of every stream. */
  gapSeconds: readonly number[];
  /** Means over the streams. */
  inputTokens: number;
  cachedTokens: number;
  /** By process, for 1,000 output tokens with their prompts. */
  cpuSeconds: Readonly<Record<string, number>>;
  eventLoopDelaySeconds?: number | undefined;
  /** Cores that were busy with neither the contender nor this program. */
  foreignCores: number;
}

/** What a newcomer with a long prompt did to the streams that were decoding when it came. */
export interface Stall {
  contender: ContenderName;
  round: number;
  longestGapSeconds: number;
  /** Infinity where it had none before its patience ended. */
  newcomerFirstTokenSeconds: number;
  /** As in a sample. */
  foreignCores: number;
}

/** One contender's turn in one round. */
export interface Turn {
  settings: Settings;
  contender: Contender;
  round: number;
  /** Of the words: every contender's turn in a round gives the same ones. */
  nextSeed(): number;
}

/** A sample repeats its bursts until so many streams were measured. */
const streamsASample = 4;
/**
 * An answer of random weights may end early, by itself or with an error (llama-server refuses bytes that are no UTF-8). The
 * work was not the same then, and is done again with other words.
 */
const attempts = 20;
const decodingStreams = 3;
/** After so many tokens they decode for certain, and the newcomer may come. */
const tokensBeforeNewcomer = 8;
const newcomerTokens = 8;
/** One loop for each request can starve a newcomer for as long as the others decode. */
const newcomerPatienceMillis = 30_000;
/** Of a second turn. */
const questionTokens = 24;

/** Lets every sequence work once. */
export async function warmUp(contender: Contender, settings: Settings): Promise<void> {
  const prompts = Array.from({ length: settings.sequences }, (_, at) => writePrompt(32, -1 - at));
  await Promise.all(
    prompts.map((prompt) => streamCompletion(contender.url, { prompt, maxTokens: 4 })),
  );
}

/** `width` short prompts come at the same moment. */
export async function measureShort(turn: Turn, width: number): Promise<Sample> {
  return repeat(turn, async () => {
    const before = await turn.contender.read();
    const bursts: Streamed[][] = [];
    while (bursts.length * width < streamsASample) {
      const prompts = newPrompts(turn, width, turn.settings.shortPromptTokens);
      bursts.push(await answerAll(turn, prompts));
    }
    if (!areWhole(turn, bursts.flat())) return undefined;
    checkPrompts(turn, bursts.flat(), turn.settings.shortPromptTokens);
    return summarise(turn, { workload: 'short', width, bursts, before });
  });
}

/** `width` long prompts come at the same moment; when all are answered, each conversation asks once more. */
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

/** Three streams decode when a newcomer with a long prompt arrives. */
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
    // One that ended before the newcomer's first token was not there to be stalled.
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

/** @throws Error where a prompt was not counted as what it was made to be: the work would not be the same. */
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

/** The gaps of a stream that lie, also in part, between a newcomer's request and its first token. */
function gapsBeside(newcomer: Streamed, stream: Streamed): number[] {
  const firstTokenAt = newcomer.tokenTimes[0] ?? newcomer.endedAt;
  return gapsOf(stream)
    .filter(({ from, to }) => to > newcomer.sentAt && from < firstTokenAt)
    .map(({ seconds }) => seconds);
}
