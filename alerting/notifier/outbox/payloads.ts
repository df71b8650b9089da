/** The payloads of stored webhooks, parsed once: channels, parts and attempts share them. Used by `outbox.ts`. */
import type { Payload } from '../webhook.ts';
import type { Statements } from './queries.ts';

/** Characters of JSON whose payloads stay in memory; some hundred webhooks. */
const maxCharacters = 4 * 2 ** 20;

export type Payloads = ReturnType<typeof createPayloads>;

export function createPayloads({ payloadOf }: Pick<Statements, 'payloadOf'>) {
  /** By webhook; the one that was used last is at the end. */
  const kept = new Map<number, { payload: Payload; size: number }>();
  let total = 0;

  function keep(webhookId: number, payload: Payload, size: number): void {
    const before = kept.get(webhookId);
    if (before !== undefined) total -= before.size;
    kept.delete(webhookId);
    kept.set(webhookId, { payload, size });
    total += size;
    for (const [id, oldest] of kept) {
      if (total <= maxCharacters) return;
      kept.delete(id);
      total -= oldest.size;
    }
  }

  function parse(webhookId: number): { payload: Payload; size: number } {
    const text = String(payloadOf.get(webhookId)?.['payload']);
    // It was validated before it was stored.
    return { payload: JSON.parse(text) as Payload, size: text.length };
  }

  return {
    /** For delivery. */
    get: (webhookId: number): Payload => {
      const { payload, size } = kept.get(webhookId) ?? parse(webhookId);
      keep(webhookId, payload, size);
      return payload;
    },
    /** For a list, which must not drive out the payloads of pending notifications. */
    peek: (webhookId: number): Payload => (kept.get(webhookId) ?? parse(webhookId)).payload,
  };
}
