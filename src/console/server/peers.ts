/** Requests to the programs around the service (Prometheus, Alertmanager, the notifier) for the console. */
import type { z } from 'zod';
import type { Text } from '../../../otel/text.ts';
import { ChatError, toChatError } from '../../errors.ts';
import { explainFetchFailure } from '../../kit/fetch-failure.ts';
import type { Missing } from './answers.ts';

/** Timeout of one request: most people wait longer than this before they reload a page. */
const timeoutMillis = 4000;

const peers = {
  prometheus: { en: 'Prometheus', zh: 'Prometheus', variable: 'PROMETHEUS_URL' },
  alertmanager: { en: 'Alertmanager', zh: 'Alertmanager', variable: 'ALERTMANAGER_URL' },
  notifier: { en: 'The notifier', zh: '通知服务', variable: 'NOTIFIER_URL' },
} as const;

const unexpectedAnswer: Text = { en: 'sent an unexpected answer', zh: '返回了意外的内容' };

export interface PeerRequest {
  peer: keyof typeof peers;
  /** Base URL; undefined if none is configured. */
  url: string | undefined;
  /** With the query: `/api/v2/alerts?active=true`. */
  path: string;
  /** Sent as a bearer token. */
  token?: string | undefined;
  /** Sent as JSON with POST. */
  body?: object;
  /** POST with a body, else GET. */
  method?: 'DELETE';
}

/** @throws ChatError `peer_unreachable` in both languages: which peer, what happened, what to do. */
export async function askPeer<T extends z.ZodType>(
  { peer, url, path, token, body, method }: PeerRequest,
  schema: T,
): Promise<z.infer<T>> {
  const { en, zh, variable } = peers[peer];
  if (url === undefined) {
    throw new ChatError(
      'peer_unreachable',
      `${variable}: not set. Set it and restart; \`make up\` sets it by itself.`,
      { zh: `${variable}：未设置。请设置后重启；make up 会自动设置。` },
    );
  }
  const fail = (happened: Text, cause?: unknown): ChatError =>
    new ChatError(
      'peer_unreachable',
      `${en} at ${url} ${happened.en}. Run \`make status\`, or correct ${variable}.`,
      { zh: `${zh}（${url}）${happened.zh}。请运行 make status 检查，或更正 ${variable}。`, cause },
    );
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url + path, {
      signal: AbortSignal.timeout(timeoutMillis),
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { method: 'POST', body: JSON.stringify(body) }),
      ...(method !== undefined && { method }),
    });
    if (response.ok) answer = method === 'DELETE' ? {} : await response.json();
  } catch (error) {
    if (error instanceof SyntaxError) throw fail(unexpectedAnswer, error);
    const reason = explainFetchFailure(error);
    throw fail({ en: `does not answer (${reason})`, zh: `无响应：${reason}` }, error);
  }
  const { status } = response;
  if (!response.ok) {
    throw fail({ en: `answered with status ${status}`, zh: `返回状态码 ${status}` });
  }
  const parsed = schema.safeParse(answer);
  if (!parsed.success) {
    throw fail(unexpectedAnswer, parsed.error);
  }
  return parsed.data;
}

/** The message of an error in both languages, for an answer that is incomplete without the peer. */
export function toText(error: ChatError): Text {
  return { en: error.message, zh: error.zh ?? error.message };
}

/** What a peer answered, or why it is missing. */
export type PeerAnswer<T> = { value: T } | { value?: undefined; missing: Missing };

/** @param isConfigured whether there is a URL of the peer */
export async function tryPeer<T>(
  peer: Missing['peer'],
  isConfigured: boolean,
  answer: Promise<T>,
): Promise<PeerAnswer<T>> {
  try {
    return { value: await answer };
  } catch (error) {
    return { missing: { peer, isConfigured, reason: toText(toChatError(error)) } };
  }
}

export function findMissing(answers: readonly PeerAnswer<unknown>[]): Missing[] {
  return answers.flatMap((answer) => ('missing' in answer ? [answer.missing] : []));
}
