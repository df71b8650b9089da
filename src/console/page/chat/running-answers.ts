/** The answers that are being generated. They run outside of any component, so they go on while another view is open. */
import { streamAnswer } from './answer-stream.ts';
import {
  changeConversation,
  findConversation,
  pageClosed,
  toRequest,
  type AnswerTurn,
  type Conversation,
  type Turn,
} from './conversations.ts';

interface Running {
  control: AbortController;
  /** Only the first call has an effect. */
  end: (change: Partial<AnswerTurn>) => void;
}

const running = new Map<string, Running>();

// Stores the text so far: the page may be gone before the stream reports its end.
addEventListener('pagehide', () => {
  for (const { control, end } of running.values()) {
    end(pageClosed);
    control.abort();
  }
});

export function ask(id: string, text: string): void {
  if (running.has(id)) return;
  changeConversation(id, ({ turns }) => ({ turns: [...turns, { role: 'user', text }] }));
  void answer(id);
}

/** Generates the last answer again, in its place. */
export function retry(id: string): void {
  if (running.has(id)) return;
  changeConversation(id, ({ turns }) => ({
    turns: turns.at(-1)?.role === 'assistant' ? turns.slice(0, -1) : turns,
  }));
  void answer(id);
}

/** Closes the connection, which cancels the generation in the service. */
export function stop(id: string): void {
  running.get(id)?.control.abort();
}

async function answer(id: string): Promise<void> {
  const conversation = findConversation(id);
  if (conversation === undefined) return;
  const request = toRequest(conversation);
  const control = new AbortController();
  const turn: AnswerTurn = { role: 'assistant', text: '', state: 'streaming', endedAt: 0 };
  changeConversation(id, ({ turns }) => ({ turns: [...turns, turn] }));

  // Render at most once a frame, however fast tokens arrive.
  let frame: number | undefined;
  let text = '';
  const render = (): void => {
    frame = undefined;
    changeLast(id, { text }, { keep: false });
  };
  const end = (change: Partial<AnswerTurn>): void => {
    if (!running.delete(id)) return;
    if (frame !== undefined) cancelAnimationFrame(frame);
    changeLast(id, { text, endedAt: Date.now(), ...change });
  };
  running.set(id, { control, end });
  const ending = await streamAnswer(request, {
    signal: control.signal,
    onTrace: (traceId) => changeLast(id, { traceId }),
    onText(piece) {
      text += piece;
      frame ??= requestAnimationFrame(render);
    },
  });
  end(ending);
}

function changeLast(id: string, change: Partial<AnswerTurn>, options?: { keep: boolean }): void {
  const edit = ({ turns }: Conversation): { turns: Turn[] } => {
    const last = turns.at(-1);
    if (last?.role !== 'assistant') return { turns };
    return { turns: [...turns.slice(0, -1), { ...last, ...change }] };
  };
  changeConversation(id, edit, options);
}
