/** The answers that are being generated, as they look now: in this tab, or in another that tells about it. */
import { createStore } from '../store.ts';
import { pageClosed, withAnswer } from './conversations.ts';
import { changeConversation, findConversation } from './conversation-store.ts';
import { loadFacts } from './cut-answer-facts.ts';
import { onTabMessage, tellTabs, type Progress } from './tabs.ts';

/** By the id of the turn. */
export const liveAnswers = createStore<ReadonlyMap<string, Progress>>(new Map());

/** When another tab was last heard about an answer; milliseconds. */
const heardAt = new Map<string, number>();
/** The service sends a comment or a token each second, so a tab that writes an answer is silent for less than this. */
const silenceMillis = 5000;
/** A tab answers within this time, even in the background. */
const replyMillis = 1000;

onTabMessage((message) => {
  if (message.type !== 'progress') return;
  heardAt.set(message.turnId, Date.now());
  setLive(message);
});

export function setLive({ turnId, text, wait }: Progress): void {
  liveAnswers.set(new Map(liveAnswers.get()).set(turnId, { turnId, text, wait }));
}

export function endLive(turnId: string): void {
  const others = new Map(liveAnswers.get());
  if (others.delete(turnId)) liveAnswers.set(others);
}

/**
 * Follows an answer that another tab writes. When no tab answers for it, its page was closed, and it is stored as interrupted.
 * @returns a function that stops following
 */
export function followAnswer(conversationId: string, turnId: string): () => void {
  let timer: ReturnType<typeof setTimeout>;
  const ask = (): void => {
    const askedAt = Date.now();
    tellTabs({ type: 'who', turnId });
    timer = setTimeout(() => {
      if ((heardAt.get(turnId) ?? 0) >= askedAt) timer = setTimeout(watch, silenceMillis);
      else close();
    }, replyMillis);
  };
  const watch = (): void => {
    const silent = Date.now() - (heardAt.get(turnId) ?? 0);
    if (silent >= silenceMillis) ask();
    else timer = setTimeout(watch, silenceMillis - silent);
  };
  const close = (): void => {
    let traceId: string | undefined;
    changeConversation(conversationId, (before) => {
      const turn = before.turns.find(({ id }) => id === turnId);
      if (turn?.role !== 'assistant' || turn.state !== 'streaming') return before;
      traceId = turn.traceId;
      return withAnswer(before, turnId, { ...pageClosed, endedAt: Date.now() });
    });
    void addFacts(conversationId, turnId, traceId);
  };
  ask();
  return (): void => {
    clearTimeout(timer);
    endLive(turnId);
  };
}

/** Adds the numbers of an answer that did not end, which only its trace has. */
export async function addFacts(
  conversationId: string,
  turnId: string,
  traceId: string | undefined,
): Promise<void> {
  const facts = traceId === undefined ? undefined : await loadFacts(traceId);
  if (facts === undefined || findConversation(conversationId) === undefined) return;
  changeConversation(conversationId, (before) => withAnswer(before, turnId, { facts }));
}
