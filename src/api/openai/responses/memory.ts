/**
 * Keeps the service's own responses, so that `previous_response_id` and `item_reference` find them: AI SDK sends
 * references by default from the second turn on. In memory only, bounded, and each API key finds only its own.
 */
import type { InputItem } from './input.ts';

export interface ItemMemory {
  remember(client: string, id: string, items: readonly InputItem[]): void;
  find(client: string, id: string): readonly InputItem[] | undefined;
}

export interface MemoryLimits {
  entries: number;
  /** Characters of the items as JSON. */
  characters: number;
  minutes: number;
}

/** Some hundred conversations of tool loops. OpenAI keeps responses for 30 days. */
export const memoryLimits: MemoryLimits = {
  entries: 2000,
  characters: 16 * 1024 * 1024,
  minutes: 60,
};

interface Entry {
  items: readonly InputItem[];
  characters: number;
  expiry: NodeJS.Timeout;
}

export function createItemMemory(limits: MemoryLimits = memoryLimits): ItemMemory {
  /** Oldest first. */
  const entries = new Map<string, Entry>();
  let characters = 0;

  function forget(key: string): void {
    const entry = entries.get(key);
    if (entry === undefined) return;
    clearTimeout(entry.expiry);
    characters -= entry.characters;
    entries.delete(key);
  }

  return {
    remember(client, id, items) {
      const size = JSON.stringify(items).length;
      if (size > limits.characters) return;
      const key = `${client}:${id}`;
      const expiry = setTimeout(forget, limits.minutes * 60_000, key).unref();
      entries.set(key, { items, characters: size, expiry });
      characters += size;
      for (const oldest of entries.keys()) {
        if (characters <= limits.characters && entries.size <= limits.entries) return;
        forget(oldest);
      }
    },
    find: (client, id) => entries.get(`${client}:${id}`)?.items,
  };
}
