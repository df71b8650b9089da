/** Takes a channel's secrets out of what a vendor answers, before it reaches a log or the API. */

/** Replaces every secret, plain or URL-encoded. Secrets under four characters would only garble the text. */
export function createRedaction(
  secrets: readonly (string | undefined)[],
): (text: string) => string {
  const known = secrets
    .filter((secret) => secret !== undefined && secret.length >= 4)
    .flatMap((secret = '') => [secret, encodeURIComponent(secret)])
    // The longest first: a URL holds its token.
    .toSorted((one, other) => other.length - one.length);
  return (text) => known.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
