/**
 * Prompts that arrive together emit their first tokens together: each holds back its last tokens until the others are evaluated as
 * far. A sequence that starts decoding early slows prefill for the others and delays the last first token. Used by plan-step.ts.
 */
import { tileTokens, tokensAtATime } from './prefill-budget.ts';

export interface PromptProgress {
  readonly promptTokens: number;
  /** Prompt tokens in the KV cache so far. */
  readonly evaluatedTokens: number;
  /** Prompt tokens that were in the KV cache on admission. */
  readonly cachedTokens: number;
  /** Number of the first step after admission. */
  readonly admittedAtStep: number;
}

/** Maximum remaining tokens of other prompts that a prompt waits for. */
const maxAwaitedTokens = 1024;
/**
 * A tail shorter than a tile costs more the longer the prompt is (2x after 1,500 tokens, see `tileTokens`). Longer prompts than
 * this hold back only their last token.
 */
const shortPromptTokens = 256;

export function remainingTokens({ promptTokens, evaluatedTokens }: PromptProgress): number {
  return promptTokens - evaluatedTokens;
}

/**
 * For each prompt in order of admission, while nothing decodes: how many of its last tokens to hold back (0: do not wait).
 */
export function heldBackTokens(prompts: readonly PromptProgress[]): number[] {
  return prompts.map((prompt) => {
    const awaited = promptsToAwait(prompt, prompts);
    const tail = tailTokens(prompt, awaited.length);
    const isWaiting = [prompt, ...awaited].some(
      (each) => remainingTokens(each) > tailTokens(each, awaited.length),
    );
    return awaited.length > 0 && isWaiting ? tail : 0;
  });
}

/** Prompts admitted before this one or at most one step later; empty if waiting for them would take too long. */
function promptsToAwait(
  prompt: PromptProgress,
  prompts: readonly PromptProgress[],
): PromptProgress[] {
  const together = prompts.filter(
    (other) =>
      other !== prompt &&
      other.admittedAtStep <= prompt.admittedAtStep + 1 &&
      uncachedTokens(other) <= 2 * uncachedTokens(prompt),
  );
  const tokens = together.reduce((sum, other) => sum + remainingTokens(other), 0);
  return tokens <= maxAwaitedTokens ? together : [];
}

function uncachedTokens({ promptTokens, cachedTokens }: PromptProgress): number {
  return promptTokens - cachedTokens;
}

function tailTokens(prompt: PromptProgress, awaitedPrompts: number): number {
  if (prompt.promptTokens > shortPromptTokens) return 1;
  // Two prompts fill a step with one tile each.
  const unit = awaitedPrompts === 1 ? tileTokens - 1 : tokensAtATime;
  return ((remainingTokens(prompt) - 1) % unit) + 1;
}
