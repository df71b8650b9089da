/** Paths under which clients of other servers look for an endpoint. They are routed, logged and measured as the endpoint's own. */
import { getPath } from 'hono/utils/url';

/** Paths that OpenAI's and Anthropic's clients ask for when their base URL lacks `/v1`, and llama-server's second path of its health. */
const withoutVersion =
  /^\/(?:chat\/completions|completions|embeddings|models(?:\/[^/]+)?|responses|messages(?:\/count_tokens)?)$/;

/** The path of the endpoint that answers the request. */
export function canonicalPath(request: Request): string {
  const path = getPath(request);
  if (path === '/v1/health') return '/health';
  return withoutVersion.test(path) ? `/v1${path}` : path;
}
