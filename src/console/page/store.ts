/** A value outside of components that they re-render on, such as conversations and preferences. */
import { useLayoutEffect, useState } from 'preact/hooks';

export interface Store<Value> {
  get(): Value;
  set(next: Value): void;
  /** @returns a function that unsubscribes */
  subscribe(listener: () => void): () => void;
}

export function createStore<Value>(initial: Value): Store<Value> {
  let value = initial;
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      value = next;
      for (const listener of listeners) listener();
    },
    subscribe(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The current value; the component renders again when it changes. */
export function useStore<Value>(store: Store<Value>): Value {
  const [, redraw] = useState({});
  useLayoutEffect(() => store.subscribe(() => redraw({})), [store]);
  return store.get();
}
