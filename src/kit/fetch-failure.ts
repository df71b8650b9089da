/**
 * Why a `fetch` failed, in one word where there is one: `ECONNREFUSED`, `CERT_HAS_EXPIRED`, `TimeoutError`. Other messages of
 * `fetch` are not passed on, because they may contain a URL with a secret. The reason of an aborted signal is shown as it is,
 * so it must not contain one.
 */
export function explainFetchFailure(error: unknown): string {
  const cause = error instanceof Error && error.cause instanceof Error ? error.cause : error;
  if (!(cause instanceof Error)) return 'an error';
  const { code } = cause as NodeJS.ErrnoException;
  if (typeof code === 'string') return code;
  return cause.name === 'Error' && cause === error ? cause.message : cause.name;
}
