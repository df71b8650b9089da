/** The wait for the first token, from the comments of a stream: `queued {"position":3,"seconds":12}`, `prefill {"evaluated":512,"tokens":900}`. */

export type Wait =
  | { phase: 'queued'; /** Requests before this one. */ before: number; seconds?: number }
  | { phase: 'prefill'; /** 0 to 100. */ percent: number };

/** Undefined for any other comment, and for a wait of which nothing is known. */
export function parseWait(comment: string): Wait | undefined {
  const [, phase, json = ''] = /^(queued|prefill) (\{.*\})$/.exec(comment.trim()) ?? [];
  if (phase === undefined) return undefined;
  const { position, seconds, evaluated, tokens } = parseFacts(json);
  if (phase === 'queued') {
    if (typeof position !== 'number' || position < 1) return undefined;
    return { phase, before: position - 1, ...(typeof seconds === 'number' && { seconds }) };
  }
  if (typeof evaluated !== 'number' || typeof tokens !== 'number' || tokens <= 0) return undefined;
  return { phase: 'prefill', percent: Math.min(100, Math.round((100 * evaluated) / tokens)) };
}

function parseFacts(json: string): Record<string, unknown> {
  try {
    return JSON.parse(json) as Record<string, unknown>;
  } catch {
    // A comment of another server.
    return {};
  }
}
