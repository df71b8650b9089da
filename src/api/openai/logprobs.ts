/** Log-probabilities in OpenAI's two formats: for chat completions and for completions. */
import { z } from 'zod';
import type { TokenLogprob } from '../../engine/engine.ts';
import type { AnswerLogprob } from '../run/answers.ts';

const Token = z.object({ token: z.string(), logprob: z.number(), bytes: z.array(z.int()) });

export const ChatLogprob = Token.extend({ top_logprobs: z.array(Token) });

export const ChatLogprobs = z.object({
  content: z.array(ChatLogprob),
  refusal: z.null(),
});

/** `text_offset`: characters from the start of the answer, or of the echoed prompt, whose first token has no log-probability. */
export const CompletionLogprobs = z.object({
  tokens: z.array(z.string()),
  token_logprobs: z.array(z.number().nullable()),
  top_logprobs: z.array(z.record(z.string(), z.number()).nullable()).nullable(),
  text_offset: z.array(z.int()),
});

// JSON has no -Infinity; OpenAI uses this number for tokens of probability 0.
const zeroProbability = -9999;

function finite(logprob: number): number {
  return Number.isFinite(logprob) ? logprob : zeroProbability;
}

/** Tokens of a chat answer all have a log-probability. */
function toToken({ token, logprob, bytes }: TokenLogprob | AnswerLogprob): z.infer<typeof Token> {
  return { token, logprob: finite(logprob ?? 0), bytes: [...bytes] };
}

export function toChatLogprobs(
  logprobs: readonly AnswerLogprob[],
): z.infer<typeof ChatLogprobs> | null {
  if (logprobs.length === 0) return null;
  const content = logprobs.map((one) =>
    Object.assign(toToken(one), { top_logprobs: one.top.map(toToken) }),
  );
  return { content, refusal: null };
}

/** Returns a function that converts the chunks of one answer in order, because offsets continue from chunk to chunk. */
export function createCompletionLogprobs(): (
  logprobs: readonly AnswerLogprob[],
) => z.infer<typeof CompletionLogprobs> | null {
  let offset = 0;
  return function toCompletionLogprobs(logprobs) {
    if (logprobs.length === 0) return null;
    const offsets = logprobs.map(({ token }) => {
      const at = offset;
      offset += token.length;
      return at;
    });
    const tops = logprobs.map(({ logprob: own, top }) =>
      own === null
        ? null
        : Object.fromEntries(top.map(({ token, logprob }) => [token, finite(logprob)])),
    );
    return {
      tokens: logprobs.map(({ token }) => token),
      token_logprobs: logprobs.map(({ logprob }) => (logprob === null ? null : finite(logprob))),
      top_logprobs: tops.every((top) => Object.keys(top ?? {}).length === 0) ? null : tops,
      text_offset: offsets,
    };
  };
}
