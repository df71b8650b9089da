/** The conversations of this browser. One stored value each, so that two tabs do not overwrite one another's. */
import { readStored, storedKeys, writeStored } from '../browser-storage.ts';
import type { Failure } from '../client.ts';
import { createStore } from '../store.ts';
import type { AnswerFacts, ChatMessage, ChatRequest } from './answer-stream.ts';

/** `streaming` on a page that was closed in the middle becomes `broken`. */
export type AnswerState = 'streaming' | 'done' | 'stopped' | 'broken' | 'refused';

export interface UserTurn {
  role: 'user';
  text: string;
}

export interface AnswerTurn {
  role: 'assistant';
  text: string;
  state: AnswerState;
  /** Epoch milliseconds of its end; 0 before. */
  endedAt: number;
  traceId?: string;
  facts?: AnswerFacts;
  failure?: Failure;
}

export type Turn = UserTurn | AnswerTurn;

export interface ChatSettings {
  system: string;
  temperature: number;
  maxTokens: number;
}

export interface Conversation {
  id: string;
  /** Epoch milliseconds. */
  updatedAt: number;
  settings: ChatSettings;
  turns: Turn[];
}

export const defaultSettings: ChatSettings = { system: '', temperature: 0.7, maxTokens: 512 };
/** What becomes of an answer when the page goes before its end. */
export const pageClosed = {
  state: 'broken',
  failure: { code: 'page_closed', message: '' },
} satisfies Partial<AnswerTurn>;
const mostConversations = 100;
const keyStart = 'conversation.';

/** Newest first. */
export const conversations = createStore<Conversation[]>(load());

function load(): Conversation[] {
  return storedKeys(keyStart)
    .flatMap((id) => (readStored(keyStart + id) as Conversation | undefined) ?? [])
    .map((conversation) =>
      Object.assign(conversation, { turns: conversation.turns.map(closeTurn) }),
    )
    .toSorted((a, b) => b.updatedAt - a.updatedAt);
}

function closeTurn(turn: Turn): Turn {
  return turn.role === 'user' || turn.state !== 'streaming' ? turn : { ...turn, ...pageClosed };
}

export function findConversation(id: string | undefined): Conversation | undefined {
  return conversations.get().find((conversation) => conversation.id === id);
}

/** Not stored before its first change. */
export function createConversation(settings: ChatSettings): Conversation {
  // Not randomUUID, which a page has not that came over plain HTTP from another machine.
  const id = crypto.getRandomValues(new Uint32Array(4)).join('-');
  const conversation = { id, updatedAt: Date.now(), settings, turns: [] };
  conversations.set([conversation, ...conversations.get()]);
  return conversation;
}

/** `keep: false` for changes of a running stream, of which only the last matters to the next visit. */
export function changeConversation(
  id: string,
  change: (before: Conversation) => Partial<Conversation>,
  { keep = true } = {},
): void {
  const before = findConversation(id);
  if (before === undefined) return;
  const after = { ...before, ...change(before), updatedAt: Date.now() };
  if (keep) store(after);
  conversations.set(conversations.get().map((other) => (other.id === id ? after : other)));
}

export function removeConversation(id: string): void {
  writeStored(keyStart + id, undefined);
  conversations.set(conversations.get().filter((conversation) => conversation.id !== id));
}

/** Makes room by forgetting the oldest: of too many, and where the browser's store is full. */
function store(conversation: Conversation): void {
  const others = conversations.get().filter(({ id }) => id !== conversation.id);
  const oldest = others.toSorted((a, b) => a.updatedAt - b.updatedAt);
  while (oldest.length >= mostConversations) forget(oldest.shift());
  while (!writeStored(keyStart + conversation.id, conversation) && oldest.length > 0) {
    forget(oldest.shift());
  }
}

function forget(conversation: Conversation | undefined): void {
  if (conversation !== undefined) writeStored(keyStart + conversation.id, undefined);
}

export function titleOf(conversation: Conversation): string | undefined {
  const first = conversation.turns.find((turn) => turn.role === 'user')?.text.trim();
  return first === undefined
    ? undefined
    : first.replaceAll(/\s+/g, ' ').slice(0, 80).toWellFormed();
}

/** What the model is told: refused and empty answers are left out, with nothing said in their place. */
export function toRequest({ settings, turns }: Conversation): ChatRequest {
  const messages: ChatMessage[] = [];
  if (settings.system.trim() !== '') messages.push({ role: 'system', content: settings.system });
  for (const turn of turns) {
    if (turn.text !== '') messages.push({ role: turn.role, content: turn.text });
  }
  return { messages, temperature: settings.temperature, max_tokens: settings.maxTokens };
}

/** The request that led to a trace, as far as this browser remembers it. */
export function requestOfTrace(
  traceId: string,
): { conversation: Conversation; request: ChatRequest } | undefined {
  for (const conversation of conversations.get()) {
    const index = conversation.turns.findIndex(
      (turn) => turn.role === 'assistant' && turn.traceId === traceId,
    );
    if (index === -1) continue;
    const turns = conversation.turns.slice(0, index);
    return { conversation, request: toRequest({ ...conversation, turns }) };
  }
  return undefined;
}
