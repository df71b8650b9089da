/**
 * The conversations of this browser in IndexedDB. Every change reads, changes and writes one conversation in one transaction, so
 * that tabs cannot overwrite each other's turns. Used by `conversation-store.ts`.
 */
import { openDB, type DBSchema, type IDBPDatabase } from 'idb';
import { readStored, storedKeys, writeStored } from '../browser-storage.ts';
import {
  parseConversation,
  summarize,
  type ChatSettings,
  type Conversation,
  type Summary,
} from './conversations.ts';

/** What is typed but not sent. `settings` belong to a conversation that does not exist yet. */
export interface Draft {
  /** Of the conversation. */
  id: string;
  text: string;
  settings?: ChatSettings;
}

interface Schema extends DBSchema {
  conversations: { key: string; value: Conversation };
  /** One for each conversation, written in the same transaction. */
  summaries: { key: string; value: Summary };
  drafts: { key: string; value: Draft };
}

type Edit = (before: Conversation | undefined) => Conversation | undefined;

export type Database = Awaited<ReturnType<typeof openDatabase>>;

/** Older versions of the page kept each conversation in localStorage, under its id after this. */
const oldKeys = 'conversation.';

/** @throws DOMException when the browser keeps no data for this page */
export async function openDatabase() {
  const db = await openDB<Schema>('llamascope', 1, {
    upgrade(created) {
      for (const name of ['conversations', 'summaries', 'drafts'] as const) {
        created.createObjectStore(name, { keyPath: 'id' });
      }
    },
    // A later version of the page, in another tab, waits for this connection.
    blocking: () => db.close(),
  });
  await adoptOldConversations(db);
  return {
    summaries: () => db.getAll('summaries'),
    drafts: () => db.getAll('drafts'),
    summary: (id: string) => db.get('summaries', id),
    read: (id: string) => db.get('conversations', id),
    readAll: () => db.getAll('conversations'),
    /** @returns what is stored now @throws DOMException such as QuotaExceededError: nothing has changed */
    change: (id: string, edit: Edit) => change(db, id, edit),
    /** Is on its way when it returns: the page may be about to close. */
    async remove(id: string): Promise<void> {
      const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
      const writes = [
        transaction.objectStore('conversations').delete(id),
        transaction.objectStore('summaries').delete(id),
      ];
      transaction.commit();
      await Promise.all([...writes, transaction.done]);
    },
    /** Writes without reading, and is on its way when it returns: for a page that is about to close. */
    writeAtOnce(conversation: Conversation): void {
      const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
      transaction.done.catch(() => undefined);
      void transaction.objectStore('conversations').put(conversation);
      void transaction.objectStore('summaries').put(summarize(conversation));
      transaction.commit();
    },
    /** Keeps the newer one where both exist. @returns how many were added or replaced */
    addAll: (conversations: readonly Conversation[]) => addAll(db, conversations),
    /** An empty one is removed. */
    async writeDrafts(drafts: readonly Draft[]): Promise<void> {
      const transaction = db.transaction('drafts', 'readwrite');
      const writes = drafts.map((draft) =>
        draft.text === '' && draft.settings === undefined
          ? transaction.store.delete(draft.id)
          : transaction.store.put(draft),
      );
      // The page may be about to close.
      transaction.commit();
      await Promise.all([...writes, transaction.done]);
    },
  };
}

async function change(
  db: IDBPDatabase<Schema>,
  id: string,
  edit: Edit,
): Promise<Conversation | undefined> {
  const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
  const all = transaction.objectStore('conversations');
  const summaries = transaction.objectStore('summaries');
  const before = await all.get(id);
  const after = edit(before);
  const writes =
    after === undefined
      ? [all.delete(id), summaries.delete(id)]
      : [all.put(after), summaries.put(summarize(after))];
  // A failed write rejects `done` too.
  await Promise.all([...writes, transaction.done]);
  return after;
}

async function addAll(
  db: IDBPDatabase<Schema>,
  conversations: readonly Conversation[],
): Promise<number> {
  const transaction = db.transaction(['conversations', 'summaries'], 'readwrite');
  const all = transaction.objectStore('conversations');
  const summaries = transaction.objectStore('summaries');
  const add = async (conversation: Conversation): Promise<boolean> => {
    const before = await summaries.get(conversation.id);
    if (before !== undefined && before.updatedAt >= conversation.updatedAt) return false;
    await Promise.all([all.put(conversation), summaries.put(summarize(conversation))]);
    return true;
  };
  const [added] = await Promise.all([Promise.all(conversations.map(add)), transaction.done]);
  return added.filter(Boolean).length;
}

/** Moves each, and removes the old one only after the new one is stored. One that is no conversation stays where it is. */
async function adoptOldConversations(db: IDBPDatabase<Schema>): Promise<void> {
  for (const id of storedKeys(oldKeys)) {
    const conversation = parseConversation(readStored(oldKeys + id));
    if (conversation === undefined) continue;
    const stored = addAll(db, [conversation]).then(
      () => true,
      () => false,
    );
    if (await stored) writeStored(oldKeys + id, undefined);
  }
}
