/** What a server answered instead of an answer, as an error of this service: for the outcome, the span and the log. */
import { ChatError, type ChatErrorCode } from '../errors.ts';
import { isObject, type Json } from './answer-facts.ts';

const codeByStatus: Readonly<Record<number, ChatErrorCode>> = {
  401: 'unauthorized',
  403: 'unauthorized',
  404: 'model_not_found',
  413: 'too_large',
  429: 'queue_full',
  503: 'not_ready',
};

const maxMessage = 200;
/** Where a server may begin to quote the request. The `'s` of a word is no quote. */
const quoting = /["`“”‘’{<\r\n]|(?<![a-z])'|'(?!s\b)|\binput(?:_value)?\s*[:=]/i;

/** The message up to its first quote, because servers quote the prompt. */
export function withoutQuotes(message: string): string {
  const [before = ''] = message.split(quoting, 1);
  return before.slice(0, maxMessage).trim();
}

/**
 * @param status undefined for an error inside of a stream
 * @param isOwnKey the server got a key of ours: that it refuses it is no mistake of the client
 */
export function toBackendError(
  body: unknown,
  { status, isOwnKey }: { status?: number; isOwnKey: boolean },
): ChatError {
  const error = isObject(body) ? (body['error'] ?? body) : body;
  const { type, code, message }: Json = isObject(error) ? error : { message: error };
  const kind = [type, code].find(isKind);
  const said = typeof message === 'string' ? message : '';
  const parts = [kind, withoutQuotes(said)].filter(Boolean).join(': ');
  const what = status === undefined ? 'broke off with an error' : `answered ${status}`;
  const recorded = `The backend ${what}${parts === '' ? '' : ` (${parts})`}.`;
  const facts = status === undefined ? {} : { status };
  return new ChatError(codeOf(status, `${kind} ${said}`, isOwnKey), recorded, facts);
}

function isKind(value: unknown): value is string {
  return typeof value === 'string' && /^[a-z_]{3,60}$/i.test(value);
}

function codeOf(status: number | undefined, said: string, isOwnKey: boolean): ChatErrorCode {
  const code = codeByStatus[status ?? 0];
  if (code === 'unauthorized' && isOwnKey) return 'engine_error';
  if (code !== undefined) return code;
  // llama-server answers a body that is no JSON with 500.
  if (said.includes('json.exception.parse_error')) return 'bad_request';
  if (status === undefined || status < 400 || status >= 500) return 'engine_error';
  return /context.(length|size|window)/i.test(said) ? 'context_overflow' : 'bad_request';
}
