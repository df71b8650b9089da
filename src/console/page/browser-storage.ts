/** JSON in the browser's localStorage. If that is full or forbidden (private mode), nothing is stored and the page still works. */

const prefix = 'llamascope.';

export function readStored(key: string): unknown {
  try {
    const text = localStorage.getItem(prefix + key);
    return text === null ? undefined : JSON.parse(text);
  } catch {
    return undefined;
  }
}

/** Removes the key if `value` is undefined. @returns whether it succeeded */
export function writeStored(key: string, value: unknown): boolean {
  try {
    if (value === undefined) localStorage.removeItem(prefix + key);
    else localStorage.setItem(prefix + key, JSON.stringify(value));
    return true;
  } catch {
    return false;
  }
}

/** Every key that starts with `start`, without it. */
export function storedKeys(start: string): string[] {
  try {
    return Object.keys(localStorage)
      .filter((key) => key.startsWith(prefix + start))
      .map((key) => key.slice(prefix.length + start.length));
  } catch {
    return [];
  }
}

/** Calls `listener` when another tab stores or removes the key. */
export function onStored(key: string, listener: () => void): void {
  addEventListener('storage', (event) => {
    if (event.key === prefix + key) listener();
  });
}
