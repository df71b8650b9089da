/** The one error class of the service: a closed code and a sentence for the person who reads it. */

export type ChatErrorCode =
  | 'alert_gone'
  | 'bad_request'
  | 'client_gone'
  | 'context_overflow'
  | 'deadline'
  | 'engine_error'
  | 'engine_exit'
  | 'forbidden'
  | 'internal_error'
  | 'method_not_allowed'
  | 'model_not_found'
  | 'not_found'
  | 'not_ready'
  | 'peer_unreachable'
  | 'queue_full'
  | 'queue_timeout'
  | 'shutdown'
  | 'too_large'
  | 'unauthorized';

export interface ChatErrorFacts {
  /** The request field at fault, as OpenAI's `param`. */
  param?: string;
  /** Seconds after which a retry makes sense; becomes `Retry-After`. */
  retryAfterSeconds?: number;
  /** The message in Chinese, where the console shows it. */
  zh?: string;
  cause?: unknown;
}

/** `message` goes to the client: it names what was expected, what came and what to do, and quotes no prompt. */
export class ChatError extends Error {
  readonly code: ChatErrorCode;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly zh: string | undefined;

  constructor(code: ChatErrorCode, message: string, facts: ChatErrorFacts = {}) {
    super(message, { cause: facts.cause });
    this.name = 'ChatError';
    this.code = code;
    this.param = facts.param;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.zh = facts.zh;
  }
}

/** Any thrown value as a ChatError; what nobody foresaw becomes `internal_error` with the original as its cause. */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  return new ChatError(
    'internal_error',
    'The service failed in a way it did not foresee; see its log.',
    {
      cause: error,
    },
  );
}
