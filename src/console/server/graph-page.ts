/** The path of Prometheus' graph page: Debian 13's Prometheus serves it only below /classic. Used by alerts.ts for links. */
const timeoutMillis = 1000;

/** Puts the path of the graph page in use into a link of an alert. Without an answer of Prometheus the link stays as it is. */
export async function createGraphLink(
  prometheus: string | undefined,
): Promise<(link: string) => string> {
  if (prometheus === undefined) return (link) => link;
  const exists = await fetch(`${prometheus}/graph`, {
    redirect: 'manual',
    signal: AbortSignal.timeout(timeoutMillis),
  }).then(
    ({ status }) => status !== 404,
    () => true,
  );
  return (link) =>
    exists ? link : link.replace(/^(https?:\/\/[^/]+)\/graph\?/, '$1/classic/graph?');
}
