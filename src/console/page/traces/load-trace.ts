/** Loads one trace. Repeats the request until the trace has its server span, which may be missing right after an answer, and after a failure. */
import { useEffect, useState } from 'preact/hooks';
import { toWaterfall, type OtlpTrace, type Waterfall } from '../../../../otel/traces/rows.ts';
import { getJson, type Failure } from '../client.ts';
import { secondsUntilNext } from '../polling-delay.ts';

const attempts = 12;
const pauseMillis = 250;

export interface LoadedTrace {
  trace?: Waterfall;
  failure?: Failure;
}

export function useTrace(traceId: string): LoadedTrace {
  const [state, setState] = useState<LoadedTrace & { id?: string }>({});
  useEffect(() => {
    const controller = new AbortController();
    void load(traceId, controller.signal, (loaded) => setState({ id: traceId, ...loaded }));
    return () => controller.abort();
  }, [traceId]);
  return state.id === traceId ? state : {};
}

async function load(
  traceId: string,
  signal: AbortSignal,
  show: (loaded: LoadedTrace) => void,
): Promise<void> {
  const path = `/api/traces/${encodeURIComponent(traceId)}`;
  let failures = 0;
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const result = await getJson<OtlpTrace>(path, signal).catch(() => undefined);
    if (result === undefined || signal.aborted) return;
    const isMissing = !result.ok && result.failure.code === 'not_found';
    if (result.ok) {
      const trace = toWaterfall(result.value);
      show({ trace });
      if (trace.isWhole) return;
    } else if (!isMissing || attempt === attempts) {
      show({ failure: result.failure });
    }
    if (result.ok || isMissing) {
      await pause(pauseMillis);
    } else {
      // Only a trace that is missing or incomplete uses up the attempts.
      attempt -= 1;
      failures += 1;
      const { retryAfterSeconds } = result.failure;
      await pause(1000 * secondsUntilNext({ failures, wantedSeconds: [0], retryAfterSeconds }));
    }
    if (signal.aborted) return;
  }
}

function pause(millis: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, millis));
}
