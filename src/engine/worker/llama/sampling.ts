/** How the next token is chosen: OpenAI's parameters as node-llama-cpp's. Used by model.ts, anew for each generation. */
import { randomInt } from 'node:crypto';
import {
  TokenBias,
  type LlamaModel,
  type SequenceEvaluateOptions,
  type SequenceEvaluateOutput,
  type Token,
} from 'node-llama-cpp';
import { ChatError } from '../../../errors.ts';
import type { Sampling } from '../../engine.ts';
import type { Decoded } from '../loaded-model.ts';
import { countVocabulary } from './prompt/prompt.ts';

/** llama.cpp's own default, `--repeat-last-n`. */
const repeatPenaltyTokens = 64;
/** A logit divided by less is infinite in 32 bits, and every token then as likely as the next. */
const leastTemperature = 1e-30;
/** llama.cpp's seeds are 32 bits wide, and the last one, LLAMA_DEFAULT_SEED, asks it for a new one each time. */
const seeds = 2 ** 32 - 1;
/** What OpenAI's API gives for a token that is out of the question. */
const lowestLogprob = -9999;

export interface Sampler {
  readonly options: SequenceEvaluateOptions;
  /** What is asked of node-llama-cpp beside the token. */
  readonly metadata: { confidence?: true; probabilities?: true };
  /** Penalties count from here. */
  accept(token: number): void;
}

/** @throws ChatError `bad_request` for a biased token that does not exist or that ends an answer. */
export function checkLogitBias(sampling: Sampling, model: LlamaModel): void {
  const count = countVocabulary(model);
  for (const [token] of sampling.logitBias ?? []) {
    if (!Number.isInteger(token) || token < 0 || token >= count) {
      throw new ChatError(
        'bad_request',
        `logit_bias: expected token ids from 0 to ${count - 1}, got ${token}. See /tokenize for the ids of a text.`,
        { param: 'logit_bias' },
      );
    }
    // node-llama-cpp leaves these out without a word.
    if (model.isEogToken(token as Token)) {
      throw new ChatError(
        'bad_request',
        `logit_bias: token ${token} ends the answer and cannot be biased. Use max_tokens or stop instead.`,
        { param: 'logit_bias' },
      );
    }
  }
}

/** `prompt` is what the repeat penalty looks back at. */
export function createSampler(
  sampling: Sampling,
  model: LlamaModel,
  prompt: readonly number[],
): Sampler {
  const recent = prompt.slice(-repeatPenaltyTokens);
  const penalties = createAnswerBias(sampling, model);
  const { repeatPenalty = 1 } = sampling;
  return {
    metadata: metadataFor(sampling),
    options: {
      temperature: sampling.temperature < leastTemperature ? 0 : sampling.temperature,
      topP: sampling.topP,
      // With null there is no such sampler; with 0 the library sorts the whole vocabulary (11 ms a token at 152,000),
      // and with undefined it takes 40.
      topK: sampling.topK === 0 ? (null as unknown as number) : sampling.topK,
      minP: sampling.minP,
      // Left alone it is the current second: two equal requests would get equal answers.
      seed: foldSeed(sampling.seed ?? randomInt(seeds)),
      ...(repeatPenalty === 1
        ? {}
        : {
            repeatPenalty: {
              punishTokens: () => recent as Token[],
              maxPunishTokens: repeatPenaltyTokens,
              penalty: repeatPenalty,
            },
          }),
      ...(penalties === undefined ? {} : { tokenBias: () => penalties.bias }),
    },
    accept(token) {
      recent.push(token);
      if (recent.length > repeatPenaltyTokens) recent.shift();
      penalties?.accept(token);
    },
  };
}

/** OpenAI's seeds are any integers: each gets one that llama.cpp keeps. */
function foldSeed(seed: number): number {
  return ((seed % seeds) + seeds) % seeds;
}

/**
 * Presence and frequency penalties as OpenAI defines them (count x frequency + presence, taken off the logit), over the
 * whole answer, together with logit_bias. llama.cpp's own sampler has one list of tokens for these and the repeat
 * penalty, and a window; as a bias that grows with the answer both can be had at once.
 */
function createAnswerBias(
  sampling: Sampling,
  model: LlamaModel,
): { bias: TokenBias; accept(token: number): void } | undefined {
  const { logitBias = [], presencePenalty = 0, frequencyPenalty = 0 } = sampling;
  if (logitBias.length === 0 && presencePenalty === 0 && frequencyPenalty === 0) return undefined;
  const asked = new Map(logitBias);
  const counts = new Map<number, number>();
  const bias = new TokenBias(model.tokenizer);
  const set = (token: number, logit: number) => bias.set([token as Token], { logit });
  for (const [token, logit] of asked) set(token, logit);
  return {
    bias,
    accept(token) {
      if (presencePenalty === 0 && frequencyPenalty === 0) return;
      const count = (counts.get(token) ?? 0) + 1;
      counts.set(token, count);
      set(token, (asked.get(token) ?? 0) - presencePenalty - frequencyPenalty * count);
    },
  };
}

/**
 * The library sorts what the token is drawn from for a probability, and hands all of it over for the likeliest. A 0.5B model
 * of 152,000 tokens takes 30 ms a token, 1 thread; at temperature 0 or without top_k `confidence` adds 13 ms to that and
 * `probabilities` 65; after a top_k of 40 neither can be measured. With a grammar it is 30 more: it is then asked about
 * every token.
 */
function metadataFor({ topLogprobs }: Sampling): Sampler['metadata'] {
  if (topLogprobs === undefined) return {};
  return topLogprobs > 0 ? { confidence: true, probabilities: true } : { confidence: true };
}

/**
 * Log-probabilities of the distribution that the token was drawn from: after penalties, grammar, top_k, top_p, min_p
 * and temperature. At temperature 0 it is the model's own.
 */
export function logprobsOf(
  value: SequenceEvaluateOutput,
  topLogprobs: number,
): Pick<Decoded, 'logprob' | 'top'> {
  return {
    logprob: toLogprob(value.confidence),
    top: take(value.probabilities, topLogprobs).map(
      ([token, probability]) => [token, toLogprob(probability)] as const,
    ),
  };
}

/** The likeliest come first. A list of all of them would cost as much as sampling. */
function take(probabilities: Map<Token, number> | undefined, count: number): [Token, number][] {
  const taken: [Token, number][] = [];
  for (const entry of probabilities ?? []) {
    if (taken.length === count || entry[1] === 0) break;
    taken.push(entry);
  }
  return taken;
}

function toLogprob(probability: number): number {
  return Math.max(lowestLogprob, Math.log(probability));
}
