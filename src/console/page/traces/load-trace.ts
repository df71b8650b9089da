/** Loads one trace. Repeats the request until the trace has its server span, which may be missing right after an answer. */
import { useEffect, useState } from 'preact/hooks';
import { toWaterfall, type OtlpTrace, type Waterfall } from '../../../../otel/traces/rows.ts';
import { getJson, type Failure } from '../client.ts';

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
  for (let attempt = 1; attempt <= attempts; attempt += 1) {
    const result = await getJson<OtlpTrace>(path, signal).catch(() => undefined);
    if (result === undefined || signal.aborted) return;
    if (result.ok) {
      const trace = toWaterfall(result.value);
      show({ trace });
      if (trace.isWhole) return;
    } else if (result.failure.code !== 'not_found' || attempt === attempts) {
      show({ failure: result.failure });
      return;
    }
    await new Promise((resolve) => setTimeout(resolve, pauseMillis));
  }
}
