/**
 * Explains why a `fetch` failed, if possible in one word: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `TimeoutError`. Other messages
 * of `fetch` are not passed on, because they may contain a URL with a secret. The reason of an aborted signal is shown
 * unchanged, so it must not contain a secret.
 */
export function explainFetchFailure(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'an error';
  const { code } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return cause.name === 'Error' && cause === error ? cause.message : cause.name;
}
