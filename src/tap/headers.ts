/** The headers that are forwarded: all but those of one connection, those that carry the trace, and a key of ours. Used by `forward.ts`. */

/** https://www.rfc-editor.org/rfc/rfc9110#name-connection. This service has answered an `Expect` itself. */
const ofOneConnection =
  'connection expect keep-alive proxy-authenticate proxy-authorization proxy-connection te trailer transfer-encoding upgrade';

/**
 * @param raw names and values in turns, as Node has them
 * @param replaced names in lower case → values; undefined removes a header
 * @returns names and values in turns, with their case, order and repetitions
 */
export function forwardHeaders(
  raw: readonly string[],
  replaced: Readonly<Record<string, string | undefined>>,
): string[] {
  const pairs = raw.flatMap((name, at) =>
    at % 2 === 0 ? [[name, raw[at + 1] ?? ''] as const] : [],
  );
  const named = pairs.flatMap(([name, value]) =>
    name.toLowerCase() === 'connection' ? value.toLowerCase().split(/[\s,]+/) : [],
  );
  const dropped = new Set([...ofOneConnection.split(' '), ...named, ...Object.keys(replaced)]);
  const kept = pairs.filter(([name]) => !dropped.has(name.toLowerCase()));
  const added = Object.entries(replaced).filter((pair) => pair[1] !== undefined);
  return [...kept, ...added].flat() as string[];
}
