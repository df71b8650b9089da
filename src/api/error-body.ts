/** Turns a ChatError into OpenAI's error object, or into that of another API. */
import { z } from 'zod';
import type { ChatError, ChatErrorCode } from '../errors.ts';
import { toAnthropicError } from './anthropic/errors.ts';
import type { Endpoint } from './endpoint.ts';

export const ErrorBody = z.object({
  error: z.object({
    message: z.string(),
    type: z.string(),
    param: z.string().nullable(),
    code: z.string(),
    /** The message in Chinese, for errors that the console shows. */
    message_zh: z.string().optional(),
  }),
});

const clientErrors = new Set<ChatErrorCode>([
  'bad_request',
  'context_overflow',
  'model_not_found',
  'too_large',
]);

/** OpenAI's codes, by which its clients know a prompt that they have to shorten; any other error has our own. */
const openaiCodes: Partial<Record<ChatErrorCode, string>> = {
  context_overflow: 'context_length_exceeded',
};

export function toErrorBody(error: ChatError): z.infer<typeof ErrorBody> {
  return {
    error: {
      message: error.message,
      type: clientErrors.has(error.code) ? 'invalid_request_error' : error.code,
      param: error.param ?? null,
      code: openaiCodes[error.code] ?? error.code,
      ...(error.zh === undefined ? {} : { message_zh: error.zh }),
    },
  };
}

/** The error in the form of the endpoint's API. */
export function toBodyOf(form: Endpoint['errorForm'], error: ChatError) {
  return form === 'anthropic' ? toAnthropicError(error) : toErrorBody(error);
}
