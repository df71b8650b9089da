/** The answers that this tab generates. They run outside of any component, so they go on while another view is open. */
import { streamAnswer } from './answer-stream.ts';
import { createMeter } from './cut-answer-facts.ts';
import { addFacts, endLive, setLive } from './live-answers.ts';
import {
  changeConversation,
  findConversation,
  loadConversation,
  removeConversation,
  storeQuietly,
} from './conversation-store.ts';
import {
  createId,
  openAnswer,
  pageClosed,
  toRequest,
  withAnswer,
  type AnswerTurn,
} from './conversations.ts';
import { onTabMessage, tellTabs, type Progress } from './tabs.ts';

interface Running {
  progress: Progress;
  /** Closes the connection, which cancels the generation in the service. Only the first call has an effect. */
  end: (change: Partial<AnswerTurn>, options?: { atOnce: boolean }) => void;
}

/** By the id of the turn. */
const running = new Map<string, Running>();
const tellMillis = 250;
const storeMillis = 1000;

addEventListener('pagehide', () => {
  for (const { end } of running.values()) end(pageClosed, { atOnce: true });
});
onTabMessage((message) => {
  if (message.type === 'who') {
    const progress = running.get(message.turnId)?.progress;
    if (progress !== undefined) tellTabs({ type: 'progress', ...progress });
  } else if (message.type === 'stop') running.get(message.turnId)?.end({ state: 'stopped' });
});

export function isRunningHere(turnId: string): boolean {
  return running.has(turnId);
}

export function ask(id: string, text: string): void {
  const before = findConversation(id);
  if (before === undefined || openAnswer(before) !== undefined) return;
  const question = { id: createId(), role: 'user', text } as const;
  const turn = createAnswer();
  changeConversation(id, (conversation) => ({
    ...conversation,
    updatedAt: Date.now(),
    turns: [...conversation.turns, question, turn],
  }));
  void answer(id, turn.id);
}

/** Generates the last answer again, in its place. */
export function retry(id: string): void {
  const last = findConversation(id)?.turns.at(-1);
  if (last?.role !== 'assistant' || last.state === 'streaming') return;
  const turn = createAnswer();
  changeConversation(id, (conversation) => ({
    ...conversation,
    updatedAt: Date.now(),
    turns: conversation.turns.map((each) => (each.id === last.id ? turn : each)),
  }));
  void answer(id, turn.id);
}

/** Stops the answer of a conversation, in whichever tab it is generated. */
export function stop(id: string): void {
  const conversation = findConversation(id);
  const turn = conversation && openAnswer(conversation);
  if (turn === undefined) return;
  if (running.has(turn.id)) running.get(turn.id)?.end({ state: 'stopped' });
  else tellTabs({ type: 'stop', turnId: turn.id });
}

export async function stopAndRemove(id: string): Promise<void> {
  await loadConversation(id);
  stop(id);
  await removeConversation(id);
}

function createAnswer(): AnswerTurn {
  return { id: createId(), role: 'assistant', text: '', state: 'streaming', endedAt: 0 };
}

async function answer(id: string, turnId: string): Promise<void> {
  const conversation = findConversation(id);
  if (conversation === undefined) return;
  const control = new AbortController();
  const progress: Progress = { turnId, text: '' };
  const tell = throttle(tellMillis, () => {
    if (running.has(turnId)) tellTabs({ type: 'progress', ...progress });
  });
  const keep = throttle(storeMillis, () => {
    const { text } = progress;
    if (running.has(turnId)) storeQuietly(id, (before) => withAnswer(before, turnId, { text }));
  });
  // Render at most once a frame, however fast tokens arrive.
  let frame: number | undefined;
  const changed = (): void => {
    tell();
    frame ??= requestAnimationFrame(() => {
      frame = undefined;
      setLive(progress);
    });
  };
  const meter = createMeter();
  let traceId: string | undefined;
  const end: Running['end'] = (change, options) => {
    if (!running.delete(turnId)) return;
    if (frame !== undefined) cancelAnimationFrame(frame);
    control.abort();
    const isCut = change.state === 'stopped' || change.state === 'broken';
    const last = {
      text: progress.text,
      endedAt: Date.now(),
      ...(isCut && { facts: meter.facts() }),
      ...change,
    };
    changeConversation(id, (before) => withAnswer(before, turnId, last), options);
    endLive(turnId);
    if (isCut && options?.atOnce !== true) void addFacts(id, turnId, traceId);
  };
  running.set(turnId, { progress, end });
  setLive(progress);
  const ending = await streamAnswer(toRequest(conversation, turnId), {
    conversationId: id,
    signal: control.signal,
    onTrace(found) {
      traceId = found;
      changeConversation(id, (before) => withAnswer(before, turnId, { traceId: found }));
    },
    onWait(wait) {
      progress.wait = wait;
      changed();
    },
    onText(piece) {
      meter.onPiece();
      progress.text += piece;
      changed();
      keep();
    },
  });
  end(ending);
}

/** Calls `act` at most once in each interval, and at the latest one interval after the last change: a stream may pause. */
function throttle(millis: number, act: () => void): () => void {
  let last = -Infinity;
  let timer: number | undefined;
  return () => {
    timer ??= window.setTimeout(
      () => {
        timer = undefined;
        last = performance.now();
        act();
      },
      Math.max(0, last + millis - performance.now()),
    );
  };
}
