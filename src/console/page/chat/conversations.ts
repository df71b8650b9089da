/** The conversations of this browser. Each is stored under a key of its own, so that two tabs do not overwrite each other's. */
import { readStored, storedKeys, writeStored } from '../browser-storage.ts';
import type { Failure } from '../client.ts';
import { createStore } from '../store.ts';
import type { AnswerFacts, ChatMessage, ChatRequest, Ending } from './answer-stream.ts';

/** A stored `streaming` is loaded as `broken`, because its page was closed. */
type AnswerState = 'streaming' | Ending['state'];

export interface AnswerTurn {
  role: 'assistant';
  text: string;
  state: AnswerState;
  /** Epoch milliseconds; 0 while streaming. */
  endedAt: number;
  traceId?: string;
  facts?: AnswerFacts | undefined;
  failure?: Failure;
}

export type Turn = { role: 'user'; text: string } | AnswerTurn;

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
/** The end of an answer whose page was closed. */
export const pageClosed = {
  state: 'broken',
  failure: { code: 'page_closed', message: '' },
} satisfies Partial<AnswerTurn>;
const maxConversations = 100;
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

/** Creates a conversation. It is stored with its first change. */
export function createConversation(settings: ChatSettings): Conversation {
  // crypto.randomUUID exists only over HTTPS and on localhost.
  const id = crypto.getRandomValues(new Uint32Array(4)).join('-');
  const conversation = { id, updatedAt: Date.now(), settings, turns: [] };
  conversations.set([conversation, ...conversations.get()]);
  return conversation;
}

/** `keep: false` does not store the change: for a running stream, only the last state matters to the next visit. */
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

/** Stores a conversation. Removes the oldest conversations beyond `maxConversations`, and while the browser's storage is full. */
function store(conversation: Conversation): void {
  const others = conversations.get().filter(({ id }) => id !== conversation.id);
  const oldest = others.toSorted((a, b) => a.updatedAt - b.updatedAt);
  const removeOldest = (): unknown => writeStored(keyStart + oldest.shift()!.id, undefined);
  while (oldest.length >= maxConversations) removeOldest();
  while (!writeStored(keyStart + conversation.id, conversation) && oldest.length > 0) {
    removeOldest();
  }
}

/** The first question, shortened; empty before it is asked. */
export function titleOf(conversation: Conversation): string {
  const first = conversation.turns.find((turn) => turn.role === 'user')?.text ?? '';
  return first.trim().replaceAll(/\s+/g, ' ').slice(0, 80).toWellFormed();
}

/** The messages for the model, without refused and empty answers. */
export function toRequest({ settings, turns }: Conversation): ChatRequest {
  const messages: ChatMessage[] = [];
  if (settings.system.trim() !== '') messages.push({ role: 'system', content: settings.system });
  for (const turn of turns) {
    if (turn.text !== '') messages.push({ role: turn.role, content: turn.text });
  }
  return { messages, temperature: settings.temperature, max_tokens: settings.maxTokens };
}

/** The request of a trace, if it was sent from this browser. */
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
