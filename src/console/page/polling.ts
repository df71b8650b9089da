/** Asks again and again while somebody looks: a hidden page asks nothing, and one question is out at a time. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { getJson, type Failure } from './client.ts';

export interface Polled<Value> {
  /** The last good answer, kept while a later one fails. */
  value: Value | undefined;
  failure: Failure | undefined;
  /** Asks now. */
  reload: () => void;
}

/** Of a question that is asked once and has had no answer. */
const retrySeconds = 5;

/** @param path undefined asks nothing. @param seconds between an answer and the next question; 0 asks for one answer. */
export function usePolled<Value>(path: string | undefined, seconds: number): Polled<Value> {
  const [state, setState] = useState<{ path?: string; value?: Value; failure?: Failure }>({});
  const askNow = useRef<() => void>(() => {});
  useEffect(() => {
    if (path === undefined) return undefined;
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let asking = false;
    let isDone = false;
    const look = async (): Promise<void> => {
      clearTimeout(timer);
      if (asking || isDone || document.hidden) return;
      asking = true;
      const result = await getJson<Value>(path, end.signal).catch(() => undefined);
      asking = false;
      if (result === undefined || end.signal.aborted) return;
      setState((before) => {
        if (result.ok) return { path, value: result.value };
        const kept = before.path === path && before.value !== undefined;
        return { path, failure: result.failure, ...(kept ? { value: before.value as Value } : {}) };
      });
      isDone = seconds === 0 && result.ok;
      if (!isDone) timer = setTimeout(start, (seconds || retrySeconds) * 1000);
    };
    const start = (): void => void look();
    askNow.current = start;
    start();
    document.addEventListener('visibilitychange', start);
    return () => {
      end.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', start);
    };
  }, [path, seconds]);
  const current = state.path === path;
  const reload = useCallback(() => askNow.current(), []);
  return {
    value: current ? state.value : undefined,
    failure: current ? state.failure : undefined,
    reload,
  };
}
