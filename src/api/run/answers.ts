/**
 * The answers to one request, which may have several prompts and several answers to each. Facts of the engine go to the telemetry at
 * once; the answers wait in one queue until the client reads them. Used by generation.ts.
 */
import type { AnotherAnswer, CountedSummary } from '../../../otel/generation/inference.ts';
import type { Engine, Fact, GenerationRequest, Prompt, PromptToken } from '../../engine/engine.ts';
import type { ChatError } from '../../errors.ts';
import type { Account, FinalReason } from '../request-context.ts';
import { createAnswerQueue } from './answer-queue.ts';
import { captureContent } from './captured-content.ts';
import { createPromptProgress, createTokenTimings } from './token-timings.ts';
import type { PromptProgress, TokenTimings } from './token-timings.ts';
import { createTextParser, createToolCallParser, type Delta } from './tool-calls.ts';

/** The log-probability of a token of the answer, or of an echoed prompt. */
export type AnswerLogprob = PromptToken;

/** A piece of one of the answers. `logprobs` belong to its tokens since the previous piece. `timings`: if they are asked for. */
export type Piece = Delta & {
  choice: number;
  logprobs: readonly AnswerLogprob[];
  timings?: TokenTimings | undefined;
};

/** `seconds`: expected until the request gets a sequence; absent before anything is measured. */
export type Wait =
  | { phase: 'queued'; position: number; seconds?: number }
  | { phase: 'prefill'; evaluated: number; tokens: number };

interface AnswerEnd {
  finishReason: FinalReason;
  /** The stop sequence that ended the answer. */
  stopSequence?: string | undefined;
}

/** The end of the first answer, of all answers in order, and the summary of the request. */
export interface Finished extends AnswerEnd {
  choices: readonly AnswerEnd[];
  /** Those of the last answer, if they are asked for. */
  timings?: TokenTimings | undefined;
  summary: CountedSummary;
}

export interface RequestedGeneration extends GenerationRequest {
  /** Further prompts, each of which gets its answers. */
  morePrompts?: readonly Prompt[];
  /** Answers to each prompt. */
  n?: number | undefined;
  /** Each piece has the timings up to its token. */
  timingsPerToken?: boolean | undefined;
  requestedModel?: string | null | undefined;
  stream: boolean;
  idPrefix: 'chatcmpl-' | 'cmpl-' | 'resp_' | 'msg_';
}

export interface Running {
  engine: Pick<Engine, 'generate' | 'status'>;
  client: string;
  signal: AbortSignal;
}

export type Answers = ReturnType<typeof createAnswers>;

/** The state of one run: what its answers share, and each of them. */
export function createAnswers(account: Account, request: RequestedGeneration) {
  const { prompt, morePrompts = [], n = 1, format } = request;
  const started = Promise.withResolvers<void>();
  const prefilled = Promise.withResolvers<void>();
  // A rejection is not unhandled: `pieces` throws the same error.
  for (const { promise } of [started, prefilled]) promise.catch(() => {});
  const prompts = [prompt, ...morePrompts];
  const progress = createAnswerQueue<PromptProgress>();
  return {
    account,
    capture: captureContent(account.generation, prompt),
    pieces: createAnswerQueue<Piece>(),
    progress,
    receiveProgress: createPromptProgress((each) => progress.push(each)),
    started,
    prefilled,
    finished: undefined as Finished | undefined,
    wait: undefined as Wait | undefined,
    inputTokens: 0,
    choices: prompts.flatMap((asked, at) =>
      Array.from({ length: n }, (_, index) => ({
        choice: at * n + index,
        prompt: asked,
        /** The first answer is the generation itself. */
        another: at + index === 0 ? undefined : account.generation.another(),
        /** Whether its prompt has tokens that no answer before counted. */
        ofPrompt: index === 0,
        parser: format?.kind === 'tool_calls' ? createToolCallParser() : createTextParser(),
        /** Log-probabilities of the tokens since the last piece. */
        logprobs: [] as AnswerLogprob[],
        timings: request.timingsPerToken === true ? createTokenTimings() : undefined,
        end: undefined as AnswerEnd | undefined,
      })),
    ),
  };
}

type Choice = Answers['choices'][number];

/** As many at once as there are sequences, so that the answers of one request do not fill the queue. */
export async function runAnswers(
  answers: Answers,
  request: RequestedGeneration,
  { engine, client, signal }: Running,
): Promise<void> {
  const status = engine.status();
  const atOnce = status.state === 'ready' ? status.facts.sequences : 1;
  const waiting = [...answers.choices];
  const work = async (): Promise<void> => {
    for (let choice = waiting.shift(); choice !== undefined; choice = waiting.shift()) {
      const mine = choice;
      const onFact = (fact: Fact): void => receive(answers, mine, fact);
      const wanted = toEngine(request, mine);
      try {
        await engine.generate(wanted, { signal, client, onFact });
      } finally {
        mine.another?.end();
      }
    }
  };
  await Promise.all(Array.from({ length: Math.min(atOnce, waiting.length) }, work));
}

/** A seed is for the first of several answers; the others get the next ones. */
function toEngine(request: RequestedGeneration, { choice, prompt }: Choice): GenerationRequest {
  const { sampling, format, echo, n = 1 } = request;
  const { seed } = sampling;
  const own = seed === undefined ? sampling : { ...sampling, seed: seed + (choice % n) };
  return {
    prompt,
    sampling: own,
    ...(format === undefined ? {} : { format }),
    ...(echo === true ? { echo } : {}),
  };
}

function receive(answers: Answers, choice: Choice, fact: Fact): void {
  choice.timings?.receive(fact);
  if (choice.another === undefined) receiveFirst(answers, fact);
  else receiveAnother(choice.another, choice, fact);
  if (fact.type === 'prompt') {
    const bytes = fact.tokens.flatMap((token) => token.bytes);
    const text = choice.prompt.kind === 'text' ? choice.prompt.text : decode(bytes);
    if (fact.tokens.some(({ logprob }) => logprob !== null)) choice.logprobs.push(...fact.tokens);
    push(answers, choice, [{ type: 'content', text }]);
  }
  if (fact.type === 'token') {
    if (fact.logprob !== undefined) choice.logprobs.push(fact.logprob);
    push(answers, choice, choice.parser.push(fact.text));
  }
  if (fact.type === 'ended') endChoice(answers, choice, fact);
}

function decode(bytes: readonly number[]): string {
  return Buffer.from(bytes).toString();
}

function receiveAnother(another: AnotherAnswer, { ofPrompt }: Choice, fact: Fact): void {
  if (fact.type === 'started') another.started();
  if (fact.type === 'prefilled') another.prefilled(fact, { ofPrompt });
  if (fact.type === 'token') another.token(fact);
}

function receiveFirst(answers: Answers, fact: Fact): void {
  answers.receiveProgress(fact);
  const { generation } = answers.account;
  switch (fact.type) {
    case 'tokenized':
      answers.inputTokens = fact.inputTokens;
      noteDropped(answers.account, fact.droppedKeywords);
      return generation.tokenized(fact);
    case 'queued':
      answers.account.note({ queuePosition: fact.position });
      answers.wait = { phase: 'queued', position: fact.position };
      return generation.queued(fact);
    case 'waiting': {
      const { position, seconds } = fact;
      answers.wait = { phase: 'queued', position, ...(seconds !== undefined && { seconds }) };
      return;
    }
    case 'prefilling':
      answers.wait = {
        phase: 'prefill',
        evaluated: fact.evaluatedTokens,
        tokens: fact.inputTokens,
      };
      return;
    case 'started':
      answers.wait = { phase: 'prefill', evaluated: 0, tokens: answers.inputTokens };
      generation.started(fact);
      return answers.started.resolve();
    case 'prefilled':
      generation.prefilled(fact);
      answers.progress.end();
      return answers.prefilled.resolve();
    case 'token':
      return generation.token({ at: fact.at, logprob: fact.logprob?.logprob });
    case 'prompt':
    case 'ended':
  }
}

/** The client chooses the names, so only those that look like a keyword are logged. */
function noteDropped(account: Account, keywords: readonly string[] | undefined): void {
  if (keywords === undefined) return;
  const shown = keywords.filter((keyword) => /^[a-z]{1,40}$/i.test(keyword)).slice(0, 20);
  account.note({ droppedKeywords: shown });
}

function push(answers: Answers, choice: Choice, deltas: readonly Delta[]): void {
  for (const delta of deltas) {
    // Only the first answer is captured.
    if (choice.choice === 0) answers.capture.add(delta);
    const timings = choice.timings?.current();
    answers.pieces.push({
      ...delta,
      choice: choice.choice,
      logprobs: choice.logprobs,
      ...(timings === undefined ? {} : { timings }),
    });
    choice.logprobs = [];
  }
}

function endChoice(
  answers: Answers,
  choice: Choice,
  { text, finishReason, stopSequence }: Extract<Fact, { type: 'ended' }>,
): void {
  const { parser } = choice;
  push(answers, choice, [...parser.push(text), ...parser.finish()]);
  if (choice.logprobs.length > 0) push(answers, choice, [{ type: 'content', text: '' }]);
  const hasCalls = finishReason === 'stop' && parser.calls() > 0;
  choice.end = { finishReason: hasCalls ? 'tool_calls' : finishReason, stopSequence };
  // The engine has nothing to tell after it, and the summary of a single answer is taken at its last token.
  if (answers.choices.every((other) => other.end !== undefined)) endAnswers(answers);
}

export function endAnswers(answers: Answers): void {
  if (answers.finished !== undefined) return;
  const choices = answers.choices.flatMap((choice) => choice.end ?? []);
  const [first] = choices;
  if (first === undefined) return;
  answers.capture.end();
  // The engine of this service counts every token.
  const summary = answers.account.end(first.finishReason) as CountedSummary;
  const timings = answers.choices.at(-1)?.timings?.current();
  answers.finished = { ...first, choices, summary, timings };
  answers.pieces.end();
}

export function failAnswers(
  { capture, account, started, prefilled, progress, pieces }: Answers,
  error: ChatError,
): void {
  capture.end();
  account.end(error);
  started.reject(error);
  prefilled.reject(error);
  progress.end(error);
  pieces.end(error);
}
