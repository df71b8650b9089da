/** The one error class of the service. `api/error-answer.ts` maps each code to an HTTP status. */

export type ChatErrorCode =
  | 'alert_gone'
  | 'backend_timeout'
  | 'backend_unreachable'
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
  /** The invalid request field, as in OpenAI's `param`. */
  param?: string;
  /** When the client should retry, in seconds; sent as `Retry-After`. */
  retryAfterSeconds?: number;
  /** The message in Chinese, for errors that the console shows. */
  zh?: string;
  cause?: unknown;
  /** The message for spans and the log, if `message` quotes the client. */
  recorded?: string | undefined;
  /** The status that another server answered with; else `error-answer.ts` has the status of the code. */
  status?: number;
}

/** `message` is sent to the client: what is wrong and what to do, without any text of a prompt. */
export class ChatError extends Error {
  readonly code: ChatErrorCode;
  readonly param: string | undefined;
  readonly retryAfterSeconds: number | undefined;
  readonly zh: string | undefined;
  /** The message for spans and the log: no text of the client. */
  readonly recorded: string;
  readonly status: number | undefined;

  constructor(code: ChatErrorCode, message: string, facts: ChatErrorFacts = {}) {
    super(message, { cause: facts.cause });
    this.name = 'ChatError';
    this.code = code;
    this.param = facts.param;
    this.retryAfterSeconds = facts.retryAfterSeconds;
    this.zh = facts.zh;
    this.recorded = facts.recorded ?? message;
    this.status = facts.status;
  }
}

/** Wraps any other thrown value as `internal_error`, with the value as its cause. */
export function toChatError(error: unknown): ChatError {
  if (error instanceof ChatError) return error;
  return new ChatError('internal_error', 'Internal error. The log has the details.', {
    zh: '内部错误，详见服务日志。',
    cause: error,
  });
}

/** The error for requests that a draining service refuses or interrupts. */
export function createShutdownError(): ChatError {
  return new ChatError('shutdown', 'The service is shutting down. Retry in a few seconds.', {
    retryAfterSeconds: 5,
    zh: '服务正在关闭，请稍后重试。',
  });
}
