/** Turns a ChatError into Anthropic's error object, https://platform.claude.com/docs/en/api/errors. */
import { z } from 'zod';
import type { ChatError, ChatErrorCode } from '../../errors.ts';

export const AnthropicError = z.object({
  type: z.literal('error'),
  error: z.object({ type: z.string(), message: z.string() }),
});

const invalid = 'invalid_request_error';
const overloaded = 'overloaded_error';

/** Any other code is an `api_error`. */
const types: Partial<Record<ChatErrorCode, string>> = {
  bad_request: invalid,
  context_overflow: invalid,
  forbidden: 'permission_error',
  model_not_found: 'not_found_error',
  queue_full: 'rate_limit_error',
  too_large: 'request_too_large',
  unauthorized: 'authentication_error',
  deadline: overloaded,
  engine_exit: overloaded,
  not_ready: overloaded,
  queue_timeout: overloaded,
  shutdown: overloaded,
};

export function toAnthropicError({ code, message }: ChatError): z.infer<typeof AnthropicError> {
  return { type: 'error', error: { type: types[code] ?? 'api_error', message } };
}
