/**
 * The conversations as the page shows them: summaries of all, and those that were opened. A change shows at once, then goes to the
 * database and to the other tabs.
 */
import { createStore } from '../store.ts';
import {
  createId,
  defaultSettings,
  summarize,
  toRequest,
  type ChatSettings,
  type Conversation,
  type Summary,
} from './conversations.ts';
import { openDatabase, type Database } from './database.ts';
import type { ChatRequest } from './answer-stream.ts';
import { onTabMessage, tellTabs } from './tabs.ts';

/** Characters of all conversations together; about 100 MB. */
export const maxCharacters = 50_000_000;

/** Newest first. */
export const summaries = createStore<readonly Summary[]>([]);
/** The conversations that were opened; `null`: there is none with this id. */
export const loaded = createStore<ReadonlyMap<string, Conversation | null>>(new Map());
/** `none`: this browser keeps no data for the page. */
export const storage = createStore<'loading' | 'ready' | 'none'>('loading');
/** Conversations whose last change could not be stored. */
export const unsaved = createStore<ReadonlySet<string>>(new Set());
/** The conversation that can be brought back. */
export const removed = createStore<Conversation | undefined>(undefined);

/** Those of which the database does not have the last state, so that the next change writes all of it. */
const writeWhole = new Set<string>();
/** Changes on their way to the database, by conversation. */
const pending = new Map<string, number>();
let database: Database | undefined;

/** Undefined when the browser keeps no data. */
export const opening: Promise<Database | undefined> = openDatabase().catch(() => undefined);

/** Resolves when the summaries are read. */
export const ready = opening.then(async (opened) => {
  database = opened;
  await reload();
  storage.set(opened === undefined ? 'none' : 'ready');
});
onTabMessage((message) => {
  if (message.type === 'changed') void (message.id === undefined ? reload() : refresh(message.id));
});
// A page that comes back from the browser's back-forward cache has missed the messages of other tabs.
addEventListener('pageshow', ({ persisted }) => void (persisted && reload()));

export function findConversation(id: string | undefined): Conversation | undefined {
  return (id === undefined ? undefined : loaded.get().get(id)) ?? undefined;
}

/** Has no effect on a conversation that is loaded. */
export async function loadConversation(id: string): Promise<void> {
  const found = await (await opening)?.read(id);
  if (!loaded.get().has(id)) setLoaded(id, found ?? null);
}

/** Creates a conversation. It is stored with its first change. */
export function createConversation(settings: ChatSettings = defaultSettings): Conversation {
  const conversation = { id: createId(), updatedAt: Date.now(), settings, turns: [] };
  writeWhole.add(conversation.id);
  show(conversation);
  return conversation;
}

/** `atOnce`: the page is about to close. */
export function changeConversation(
  id: string,
  edit: (before: Conversation) => Conversation,
  { atOnce = false } = {},
): void {
  const before = findConversation(id);
  if (before === undefined) return;
  const after = edit(before);
  show(after);
  if (!atOnce) void store(id, edit);
  else if (database !== undefined) {
    database.writeAtOnce(after);
    tellTabs({ type: 'changed', id });
  }
}

/** Stores a change that the page already shows, such as the text of a running answer. Whether it succeeds does not matter. */
export function storeQuietly(id: string, edit: (before: Conversation) => Conversation): void {
  if (database === undefined || writeWhole.has(id)) return;
  database.change(id, (before) => before && edit(before)).catch(() => undefined);
}

export async function renameConversation(id: string, title: string): Promise<void> {
  await loadConversation(id);
  changeConversation(id, (before) => ({ ...before, title: title === '' ? undefined : title }));
}

export async function removeConversation(id: string): Promise<void> {
  await loadConversation(id);
  removed.set(findConversation(id));
  const removing = database?.remove(id);
  setLoaded(id, null);
  summaries.set(summaries.get().filter((summary) => summary.id !== id));
  writeWhole.delete(id);
  mark(id, false);
  await removing;
  tellTabs({ type: 'changed', id });
}

export function undoRemove(): void {
  const conversation = removed.get();
  removed.set(undefined);
  if (conversation === undefined) return;
  writeWhole.add(conversation.id);
  show(conversation);
  void store(conversation.id, (same) => same);
}

/** @returns how many were added or replaced; undefined if they are more than the bound allows, or the browser has no room */
export async function addConversations(
  conversations: readonly Conversation[],
): Promise<number | undefined> {
  const characters = conversations.reduce((sum, each) => sum + summarize(each).characters, 0);
  if (database === undefined || storedCharacters() + characters > maxCharacters) return undefined;
  const added = await database.addAll(conversations).catch(() => undefined);
  await reload();
  tellTabs({ type: 'changed' });
  return added;
}

export function storedCharacters(): number {
  return summaries.get().reduce((sum, { characters }) => sum + characters, 0);
}

/** The request of a trace, if it was sent from this browser. */
export async function requestOfTrace(
  traceId: string,
): Promise<{ conversationId: string; request: ChatRequest } | undefined> {
  await ready;
  const id = summaries.get().find(({ traceIds }) => traceIds.includes(traceId))?.id;
  if (id === undefined) return undefined;
  await loadConversation(id);
  const conversation = findConversation(id);
  const turn = conversation?.turns.find(
    (each) => each.role === 'assistant' && each.traceId === traceId,
  );
  if (conversation === undefined || turn === undefined) return undefined;
  return { conversationId: id, request: toRequest(conversation, turn.id) };
}

async function store(id: string, edit: (before: Conversation) => Conversation): Promise<void> {
  pending.set(id, (pending.get(id) ?? 0) + 1);
  const after = await write(id, edit);
  const left = pending.get(id)! - 1;
  if (left === 0) pending.delete(id);
  else pending.set(id, left);
  if (after === 'failed') return;
  // Other tabs may have added turns. A later change is on its way with them; a removed conversation stays away.
  if (left === 0 && findConversation(id) !== undefined) adopt(id, after);
  tellTabs({ type: 'changed', id });
}

async function write(
  id: string,
  edit: (before: Conversation) => Conversation,
): Promise<Conversation | undefined | 'failed'> {
  const opened = await opening;
  if (opened === undefined) return 'failed';
  const isWhole = writeWhole.has(id);
  try {
    if (storedCharacters() > maxCharacters) throw new RangeError('over the bound');
    const after = await opened.change(id, (before) =>
      isWhole ? findConversation(id) : before && edit(before),
    );
    writeWhole.delete(id);
    mark(id, false);
    return after;
  } catch {
    writeWhole.add(id);
    mark(id, true);
    return 'failed';
  }
}

function mark(id: string, isUnsaved: boolean): void {
  if (unsaved.get().has(id) === isUnsaved) return;
  const next = new Set(unsaved.get());
  if (isUnsaved) next.add(id);
  else next.delete(id);
  unsaved.set(next);
}

/** Takes over what the database has, after a change in another tab. */
async function refresh(id: string): Promise<void> {
  if (database === undefined || pending.has(id) || writeWhole.has(id)) return;
  const isOpen = loaded.get().has(id);
  const [summary, conversation] = await Promise.all([
    database.summary(id),
    isOpen ? database.read(id) : undefined,
  ]);
  if (pending.has(id)) return;
  setSummary(id, summary);
  if (isOpen) setLoaded(id, conversation ?? null);
}

async function reload(): Promise<void> {
  if (database === undefined) return;
  const stored = await database.summaries();
  const unstored = summaries.get().filter(({ id }) => writeWhole.has(id));
  summaries.set(sort([...unstored, ...stored.filter(({ id }) => !writeWhole.has(id))]));
  await Promise.all([...loaded.get().keys()].map(refresh));
}

function adopt(id: string, conversation: Conversation | undefined): void {
  setSummary(id, conversation && summarize(conversation));
  setLoaded(id, conversation ?? null);
}

function show(conversation: Conversation): void {
  adopt(conversation.id, conversation);
}

function setSummary(id: string, summary: Summary | undefined): void {
  const others = summaries.get().filter((each) => each.id !== id);
  summaries.set(summary === undefined ? others : sort([summary, ...others]));
}

function setLoaded(id: string, conversation: Conversation | null): void {
  loaded.set(new Map(loaded.get()).set(id, conversation));
}

function sort(unsorted: Summary[]): Summary[] {
  return unsorted.toSorted((one, other) => other.updatedAt - one.updatedAt);
}
