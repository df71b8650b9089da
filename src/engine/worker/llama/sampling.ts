/** Translates OpenAI's sampling parameters to node-llama-cpp's. Used by model.ts and sequence.ts, once per generation. */
import { randomInt } from 'node:crypto';
import {
  TokenBias,
  type LlamaModel,
  type SequenceEvaluateOptions,
  type Token,
} from 'node-llama-cpp';
import { ChatError } from '../../../errors.ts';
import type { Sampling } from '../../engine.ts';
import type { Guard } from './grammar/grammar.ts';
import { countVocabulary } from './prompt/prompt.ts';

/** llama.cpp's own default, `--repeat-last-n`. */
const repeatPenaltyTokens = 64;
/** A logit divided by a smaller temperature is infinite in 32 bits, which makes every token equally likely. */
const minTemperature = 1e-30;
/** llama.cpp's seeds have 32 bits. The last one, LLAMA_DEFAULT_SEED, means a random seed. */
const seedCount = 2 ** 32 - 1;
/** The size of llama_token_data. node-llama-cpp's sampler holds one for each token of the vocabulary until V8 collects the sampler. */
const candidateBytes = 12;
/**
 * V8 does not know of the memory of samplers, so it collects too late: 1,200 generations kept 1.5 GB. It knows of these buffers, which are
 * as large and take no memory, because nothing writes them. They stay until they are old: V8 frees young ones without the samplers.
 */
const ballast: ArrayBuffer[] = [];
const ballastLength = 32;

export interface Sampler {
  readonly options: SequenceEvaluateOptions;
  /** Call it for each output token: penalties apply to it from then on. */
  accept(token: number): void;
}

/** @throws ChatError `bad_request` for a biased token that does not exist or that ends an answer. */
export function checkLogitBias(sampling: Sampling, model: LlamaModel): void {
  const count = countVocabulary(model);
  for (const [token] of sampling.logitBias ?? []) {
    if (!Number.isInteger(token) || token < 0 || token >= count) {
      throw new ChatError(
        'bad_request',
        `logit_bias: expected token ids from 0 to ${count - 1}, got ${token}. POST /tokenize returns the ids of a text.`,
        { param: 'logit_bias' },
      );
    }
    // node-llama-cpp ignores these tokens silently.
    if (model.isEogToken(token as Token)) {
      throw new ChatError(
        'bad_request',
        `logit_bias: token ${token} ends the answer and cannot be biased. Use max_tokens or stop instead.`,
        { param: 'logit_bias' },
      );
    }
  }
}

/** The repeat penalty starts with the last tokens of `prompt`. `guard` enforces the format of the answer. */
export function createSampler(
  sampling: Sampling,
  model: LlamaModel,
  prompt: readonly number[],
  guard?: Guard,
): Sampler {
  const recent = prompt.slice(-repeatPenaltyTokens);
  const penalties = createAnswerBias(sampling, model, guard);
  const { repeatPenalty = 1 } = sampling;
  ballast.push(new ArrayBuffer(candidateBytes * countVocabulary(model)));
  if (ballast.length > ballastLength) ballast.shift();
  return {
    options: {
      temperature: sampling.temperature < minTemperature ? 0 : sampling.temperature,
      topP: sampling.topP,
      // null turns the sampler off; 0 sorts the whole vocabulary (11 ms a token at 152,000 tokens); undefined means 40.
      topK: sampling.topK === 0 ? (null as unknown as number) : sampling.topK,
      minP: sampling.minP,
      // The default is the current second, which gives two equal requests the same answer.
      seed: foldSeed(sampling.seed ?? randomInt(seedCount)),
      ...(repeatPenalty === 1
        ? {}
        : {
            repeatPenalty: {
              punishTokens: () => recent as Token[],
              maxPunishTokens: repeatPenaltyTokens,
              penalty: repeatPenalty,
            },
          }),
      ...(penalties === undefined ? {} : { tokenBias: () => penalties.next() }),
    },
    accept(token) {
      recent.push(token);
      if (recent.length > repeatPenaltyTokens) recent.shift();
      penalties?.accept(token);
    },
  };
}

/** Maps any integer, which OpenAI's API accepts, to a fixed seed of llama.cpp. */
function foldSeed(seed: number): number {
  return ((seed % seedCount) + seedCount) % seedCount;
}

/**
 * logit_bias, and presence and frequency penalties as OpenAI defines them (count x frequency + presence, subtracted from the logit)
 * over the whole answer. They are a bias that grows with the answer, because llama.cpp's sampler has a single window of tokens for
 * them and the repeat penalty.
 */
function createAnswerBias(
  sampling: Sampling,
  model: LlamaModel,
  guard: Guard | undefined,
): { next(): TokenBias; accept(token: number): void } | undefined {
  const { logitBias = [], presencePenalty = 0, frequencyPenalty = 0 } = sampling;
  const hasPenalty = presencePenalty !== 0 || frequencyPenalty !== 0;
  if (logitBias.length === 0 && !hasPenalty && guard === undefined) return undefined;
  const asked = new Map(logitBias);
  const counts = new Map<number, number>();
  const bias = new TokenBias(model.tokenizer);
  const set = (token: number, logit: number) => bias.set([token as Token], { logit });
  for (const [token, logit] of asked) set(token, logit);
  let isGuarded = false;
  return {
    next() {
      if (!isGuarded && guard?.state() !== undefined) {
        isGuarded = true;
        for (const token of guard.bannedTokens) set(token, -Infinity);
      }
      return bias;
    },
    accept(token) {
      if (!hasPenalty) return;
      const count = (counts.get(token) ?? 0) + 1;
      counts.set(token, count);
      set(token, (asked.get(token) ?? 0) - presencePenalty - frequencyPenalty * count);
    },
  };
}
