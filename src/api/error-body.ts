/** A ChatError in OpenAI's error shape. */
import type { ChatError } from '../errors.ts';

export function toErrorBody(error: ChatError): object {
  const isClientError = ['bad_request', 'context_overflow', 'model_not_found', 'too_large'];
  return {
    error: {
      message: error.message,
      type: isClientError.includes(error.code) ? 'invalid_request_error' : error.code,
      param: error.param ?? null,
      code: error.code,
    },
  };
}
