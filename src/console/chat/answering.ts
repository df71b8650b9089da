/** Runs the answers. They live outside of any view: a person may look at the traces while one is being written. */
import { streamAnswer, type Ending } from './answer-stream.ts';
import {
  changeConversation,
  findConversation,
  toRequest,
  type AnswerTurn,
  type Conversation,
  type Turn,
} from './conversations.ts';

const running = new Map<string, AbortController>();

export function ask(id: string, text: string): void {
  if (running.has(id)) return;
  changeConversation(id, ({ turns }) => ({ turns: [...turns, { role: 'user', text }] }));
  void answer(id);
}

/** The last answer again, in its place. */
export function retry(id: string): void {
  if (running.has(id)) return;
  changeConversation(id, ({ turns }) => ({
    turns: turns.at(-1)?.role === 'assistant' ? turns.slice(0, -1) : turns,
  }));
  void answer(id);
}

/** Closes the connection, at which the service ends the generation. */
export function stop(id: string): void {
  running.get(id)?.abort();
}

async function answer(id: string): Promise<void> {
  const conversation = findConversation(id);
  if (conversation === undefined) return;
  const request = toRequest(conversation);
  const control = new AbortController();
  running.set(id, control);
  const turn: AnswerTurn = { role: 'assistant', text: '', state: 'streaming', endedAt: 0 };
  changeConversation(id, ({ turns }) => ({ turns: [...turns, turn] }));

  // Once a frame, however fast the tokens come.
  let frame: number | undefined;
  let text = '';
  const show = (): void => {
    frame = undefined;
    changeLast(id, { text }, { keep: false });
  };
  const ending = await streamAnswer(request, {
    signal: control.signal,
    onTrace: (traceId) => changeLast(id, { traceId }),
    onText(piece) {
      text += piece;
      frame ??= requestAnimationFrame(show);
    },
  });
  if (frame !== undefined) cancelAnimationFrame(frame);
  running.delete(id);
  changeLast(id, { text, endedAt: Date.now(), ...toTurn(ending) });
}

function toTurn(ending: Ending): Partial<AnswerTurn> {
  const state = ending.kind;
  if (state === 'done')
    return ending.facts === undefined ? { state } : { state, facts: ending.facts };
  return state === 'stopped' ? { state } : { state, failure: ending.failure };
}

function changeLast(id: string, change: Partial<AnswerTurn>, options?: { keep: boolean }): void {
  const edit = ({ turns }: Conversation): { turns: Turn[] } => {
    const last = turns.at(-1);
    if (last?.role !== 'assistant') return { turns };
    return { turns: [...turns.slice(0, -1), { ...last, ...change }] };
  };
  changeConversation(id, edit, options);
}
