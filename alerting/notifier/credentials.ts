/** `fetch` rejects a URL with credentials, so they move into a header. Used by every request of the notifier. */

export function withoutCredentials(given: URL): { url: URL; headers: Record<string, string> } {
  const url = new URL(given);
  const { username, password } = url;
  if (username === '' && password === '') return { url, headers: {} };
  url.username = url.password = '';
  const credentials = `${decodeCredential(username)}:${decodeCredential(password)}`;
  const authorization = `Basic ${Buffer.from(credentials).toString('base64')}`;
  return { url, headers: { authorization } };
}

/** The text of a user name or password in a URL. A `%` that starts no escape is a `%`. */
export function decodeCredential(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
