/**
 * Prompts that come together get their first tokens together: who decodes slows down the reading of the others, and the last
 * of them would have its first token later. Used by the scheduler.
 */
import { tileTokens } from './prefill-budget.ts';

export interface PromptProgress {
  promptTokens: number;
  unread: number;
  /** What was unread when it came. */
  toRead: number;
  /** The step that was next when it came. */
  cameAt: number;
}

/** Of others, for which a prompt that has been read waits at most. */
const waitsForTokens = 1024;
/** llama.cpp multiplies so many prompt tokens at a time (repacked weights of ggml-cpu); what is left over costs more. */
const tokensAtATime = 16;
/**
 * The longer a prompt, the more an end costs that is shorter than a tile (see there): after 1,500 tokens twice as much. Of a
 * longer one than this only the last token waits.
 */
const shortPromptTokens = 256;

/**
 * Of prompts in order of admission, while nobody decodes, the tokens at the end of each that are not read yet; 0 for one that
 * waits for nobody. `isExpecting`: more are about to come.
 */
export function waitingEnds(prompts: readonly PromptProgress[], isExpecting: boolean): number[] {
  return prompts.map((prompt) => {
    const company = companyOf(prompt, prompts);
    const waits = [prompt, ...company].some((each) => each.unread > endOf(each, company));
    return isExpecting || (company.length > 0 && waits) ? endOf(prompt, company) : 0;
  });
}

/** None that came later, nor where it takes long. */
function companyOf(prompt: PromptProgress, prompts: readonly PromptProgress[]): PromptProgress[] {
  const company = prompts.filter(
    (other) =>
      other !== prompt && other.cameAt <= prompt.cameAt + 1 && other.toRead <= 2 * prompt.toRead,
  );
  const tokens = company.reduce((sum, { unread }) => sum + unread, 0);
  return tokens <= waitsForTokens ? company : [];
}

function endOf(prompt: PromptProgress, company: readonly PromptProgress[]): number {
  const { promptTokens, unread } = prompt;
  if (promptTokens > shortPromptTokens) return 1;
  // Two fill a step with a tile each.
  const unit = company.length === 1 ? tileTokens - 1 : tokensAtATime;
  return ((unread - 1) % unit) + 1;
}
