/** What a conversation is, and the pure functions about it. `conversation-store.ts` keeps conversations. */
import type { Failure } from '../client.ts';
import type { AnswerFacts, ChatMessage, ChatRequest, Ending } from './answer-stream.ts';

export interface AnswerTurn {
  /** Unique in its conversation: two tabs may add turns at the same time. */
  id: string;
  role: 'assistant';
  text: string;
  state: 'streaming' | Ending['state'];
  /** Epoch milliseconds; 0 while streaming. */
  endedAt: number;
  traceId?: string;
  facts?: AnswerFacts | undefined;
  failure?: Failure;
}

interface QuestionTurn {
  id: string;
  role: 'user';
  text: string;
}

export type Turn = QuestionTurn | AnswerTurn;

export interface ChatSettings {
  system: string;
  temperature: number;
  maxTokens: number;
}

export interface Conversation {
  id: string;
  /** Chosen by the user; otherwise the first question is the title. */
  title?: string | undefined;
  /** Epoch milliseconds of the last change of its turns. */
  updatedAt: number;
  settings: ChatSettings;
  turns: Turn[];
}

/** What the list needs, so that it never reads whole conversations. */
export interface Summary {
  id: string;
  /** Empty before the first question. */
  title: string;
  updatedAt: number;
  characters: number;
  traceIds: string[];
}

export const defaultSettings: ChatSettings = { system: '', temperature: 0.7, maxTokens: 512 };
/** The end of an answer whose page was closed. */
export const pageClosed = {
  state: 'broken',
  failure: { code: 'page_closed', message: '' },
} satisfies Partial<AnswerTurn>;

export function createId(): string {
  // crypto.randomUUID exists only over HTTPS and on localhost.
  return crypto.getRandomValues(new Uint32Array(4)).join('-');
}

const titleCharacters = 80;

export function summarize({ id, title, updatedAt, settings, turns }: Conversation): Summary {
  const first = turns.find((turn) => turn.role === 'user')?.text ?? '';
  return {
    id,
    title: shorten(title ?? first),
    updatedAt,
    characters: turns.reduce((sum, { text }) => sum + text.length, settings.system.length),
    traceIds: turns.flatMap((turn) => (turn.role === 'assistant' && turn.traceId) || []),
  };
}

/** The start of a text on one line. Reads no more of it than the title needs, apart from leading space. */
function shorten(text: string): string {
  const start = text.trimStart().slice(0, 4 * titleCharacters);
  return start.replaceAll(/\s+/g, ' ').slice(0, titleCharacters).trimEnd().toWellFormed();
}

/** The messages for the model up to a turn, without refused and empty answers. */
export function toRequest({ settings, turns }: Conversation, before?: string): ChatRequest {
  const messages: ChatMessage[] = [];
  if (settings.system.trim() !== '') messages.push({ role: 'system', content: settings.system });
  for (const turn of turns) {
    if (turn.id === before) break;
    if (turn.text !== '') messages.push({ role: turn.role, content: turn.text });
  }
  return { messages, temperature: settings.temperature, max_tokens: settings.maxTokens };
}

/** Replaces fields of an answer. The conversation stays as it is if it has no such turn. */
export function withAnswer(
  conversation: Conversation,
  turnId: string,
  change: Partial<AnswerTurn>,
): Conversation {
  const turns = conversation.turns.map((turn) =>
    turn.id === turnId && turn.role === 'assistant' ? { ...turn, ...change } : turn,
  );
  return { ...conversation, turns, updatedAt: Date.now() };
}

/** The answer at the end that is still being generated, here or in another tab. */
export function openAnswer({ turns }: Conversation): AnswerTurn | undefined {
  return turns.findLast(
    (turn): turn is AnswerTurn => turn.role === 'assistant' && turn.state === 'streaming',
  );
}

/**
 * A conversation from a file or from an older version of this page; undefined if it is none. Unknown fields are dropped, and
 * missing settings and ids are added.
 */
export function parseConversation(value: unknown): Conversation | undefined {
  if (!isRecord(value) || typeof value['id'] !== 'string' || value['id'] === '') return undefined;
  if (!Array.isArray(value['turns'])) return undefined;
  const turns = value['turns'].map(parseTurn);
  if (!turns.every((turn) => turn !== undefined)) return undefined;
  const { id, title, updatedAt, settings } = value;
  return {
    id,
    ...(typeof title === 'string' && { title }),
    updatedAt: Math.min(toNumber(updatedAt) ?? 0, Date.now()),
    settings: parseSettings(settings),
    turns,
  };
}

export function parseSettings(value: unknown): ChatSettings {
  const { system, temperature, maxTokens } = isRecord(value) ? value : {};
  return {
    system: typeof system === 'string' ? system : defaultSettings.system,
    temperature: isBetween(temperature, 0, 2) ? temperature : defaultSettings.temperature,
    maxTokens:
      isBetween(maxTokens, 1, Number.MAX_SAFE_INTEGER) && Number.isInteger(maxTokens)
        ? maxTokens
        : defaultSettings.maxTokens,
  };
}

const states = ['streaming', 'done', 'stopped', 'broken', 'refused'] as const;

function parseTurn(value: unknown, index: number): Turn | undefined {
  if (!isRecord(value) || typeof value['text'] !== 'string') return undefined;
  const { role, text, endedAt, traceId, facts, failure } = value;
  const id = typeof value['id'] === 'string' ? value['id'] : String(index);
  if (role === 'user') return { id, role, text };
  const state = states.find((known) => known === value['state']);
  if (role !== 'assistant' || state === undefined) return undefined;
  return {
    id,
    role,
    text,
    state,
    endedAt: toNumber(endedAt) ?? 0,
    ...(typeof traceId === 'string' && { traceId }),
    facts: parseFacts(facts),
    ...parseFailure(failure),
    ...(state === 'streaming' && pageClosed),
  };
}

function parseFacts(value: unknown): AnswerFacts | undefined {
  if (!isRecord(value)) return undefined;
  const phases = isRecord(value['phases']) ? value['phases'] : {};
  const outputTokens = toNumber(value['outputTokens']);
  if (outputTokens === undefined) return undefined;
  return {
    inputTokens: toNumber(value['inputTokens']),
    cachedTokens: toNumber(value['cachedTokens']) ?? 0,
    outputTokens,
    tokensPerSecond: toNumber(value['tokensPerSecond']),
    firstTokenSeconds: toNumber(value['firstTokenSeconds']),
    finishReason: value['finishReason'] === 'length' ? 'length' : 'stop',
    phases: {
      queue: toNumber(phases['queue']),
      tokenize: toNumber(phases['tokenize']),
      prefill: toNumber(phases['prefill']),
      decode: toNumber(phases['decode']),
    },
  };
}

function parseFailure(value: unknown): { failure?: Failure } {
  if (!isRecord(value)) return {};
  const { code, message, messageZh } = value;
  if (typeof code !== 'string' || typeof message !== 'string') return {};
  return { failure: { code, message, ...(typeof messageZh === 'string' && { messageZh }) } };
}

function toNumber(value: unknown): number | undefined {
  return typeof value === 'number' && Number.isFinite(value) ? value : undefined;
}

function isBetween(value: unknown, least: number, most: number): value is number {
  return typeof value === 'number' && value >= least && value <= most;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}
