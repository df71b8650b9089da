/** Polls a path of the service: one request at a time, none while the page is hidden. */
import { useCallback, useEffect, useRef, useState } from 'preact/hooks';
import { getJson, type Failure } from './client.ts';

export interface Polled<Value> {
  /** The last successful answer, kept when a later request fails. */
  value?: Value;
  failure?: Failure;
  /** Polls now. */
  reload: () => void;
}

/** Delay before a path that is read once is requested again after a failure. */
const retrySeconds = 5;

/** @param path undefined: no request @param seconds from an answer to the next request; 0: read once */
export function usePolled<Value>(path: string | undefined, seconds: number): Polled<Value> {
  const [state, setState] = useState<{ path?: string; value?: Value; failure?: Failure }>({});
  const pollNow = useRef<() => void>(() => {});
  useEffect(() => {
    if (path === undefined) return undefined;
    const end = new AbortController();
    let timer: ReturnType<typeof setTimeout> | undefined;
    let isPolling = false;
    let isDone = false;
    const poll = async (): Promise<void> => {
      clearTimeout(timer);
      if (isPolling || isDone || document.hidden) return;
      isPolling = true;
      const result = await getJson<Value>(path, end.signal).catch(() => undefined);
      isPolling = false;
      if (result === undefined || end.signal.aborted) return;
      setState((before) =>
        result.ok
          ? { path, value: result.value }
          : { ...(before.path === path ? before : {}), path, failure: result.failure },
      );
      isDone = seconds === 0 && result.ok;
      if (!isDone) timer = setTimeout(start, (seconds || retrySeconds) * 1000);
    };
    const start = (): void => void poll();
    pollNow.current = start;
    start();
    document.addEventListener('visibilitychange', start);
    return () => {
      end.abort();
      clearTimeout(timer);
      document.removeEventListener('visibilitychange', start);
    };
  }, [path, seconds]);
  const reload = useCallback(() => pollNow.current(), []);
  return { ...(state.path === path ? state : {}), reload };
}
