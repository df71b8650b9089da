/** What is typed but not sent, for each conversation and for the next one. It survives another view, a reload and a crash. */
import { createStore } from '../store.ts';
import type { Draft } from './database.ts';
import { opening, ready, summaries } from './conversation-store.ts';

/** The draft of a conversation that does not exist yet. */
export const newDraft = 'new';

export const drafts = createStore<ReadonlyMap<string, Draft>>(new Map());

const pauseMillis = 300;
/** Drafts that are not stored yet. */
const waiting = new Set<string>();
let timer: ReturnType<typeof setTimeout> | undefined;

void opening.then(async (database) => {
  const stored = (await database?.drafts()) ?? [];
  // What was typed before they were read wins.
  drafts.set(new Map([...stored.map((draft) => [draft.id, draft] as const), ...drafts.get()]));
  await ready;
  const known = new Set([newDraft, ...summaries.get().map(({ id }) => id)]);
  const orphans = stored.filter(({ id }) => !known.has(id));
  await database?.writeDrafts(orphans.map(({ id }) => ({ id, text: '' })));
});
addEventListener('pagehide', storeWaiting);
document.addEventListener('visibilitychange', storeWaiting);

export function setDraft(draft: Draft): void {
  drafts.set(new Map(drafts.get()).set(draft.id, draft));
  waiting.add(draft.id);
  timer ??= setTimeout(storeWaiting, pauseMillis);
}

function storeWaiting(): void {
  clearTimeout(timer);
  timer = undefined;
  const changed = [...waiting].map((id) => drafts.get().get(id)!);
  waiting.clear();
  if (changed.length === 0) return;
  // A draft that finds no room is no reason to interrupt.
  void opening.then((database) => database?.writeDrafts(changed).catch(() => undefined));
}
