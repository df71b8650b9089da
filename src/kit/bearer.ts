/** Checks `Authorization: Bearer`. Used by the guards of the chat service and the notifier, which answer in their own forms. */
import { createHash, timingSafeEqual } from 'node:crypto';

/**
 * Finds the key of `keys` that the header carries; `id` identifies it without revealing it (16 hex digits of its SHA-256).
 * Digests are compared, every one of them, so that the time taken reveals nothing about a key.
 */
export function matchBearer(
  authorization: string | undefined,
  keys: readonly string[],
): { id: string } | { got: 'none' | 'another' } {
  const given = /^Bearer (.+)$/i.exec(authorization ?? '')?.[1];
  if (given === undefined) return { got: 'none' };
  const wanted = digest(given);
  const matches = keys.filter((key) => timingSafeEqual(digest(key), wanted));
  return matches.length > 0 ? { id: wanted.toString('hex', 0, 8) } : { got: 'another' };
}

function digest(text: string): Buffer {
  return createHash('sha256').update(text).digest();
}
