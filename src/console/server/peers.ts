/** Asks the programs around the service (Prometheus, Alertmanager, the notifier) on behalf of the console. */
import type { z } from 'zod';
import { ChatError } from '../../errors.ts';
import { createConsoleError } from './text.ts';

/** A page that waits longer has given up. */
const timeoutMillis = 4000;

const peers = {
  prometheus: { name: { en: 'Prometheus', zh: 'Prometheus' }, variable: 'PROMETHEUS_URL' },
  alertmanager: { name: { en: 'Alertmanager', zh: 'Alertmanager' }, variable: 'ALERTMANAGER_URL' },
  notifier: { name: { en: 'the notifier', zh: '通知器' }, variable: 'NOTIFIER_URL' },
} as const;

export interface Question {
  peer: keyof typeof peers;
  /** Its address, or undefined where none is set. */
  url: string | undefined;
  /** With the query: `/api/v2/alerts?active=true`. */
  path: string;
  /** A bearer. */
  token?: string | undefined;
  /** Makes it a POST. */
  body?: object;
}

/** @throws ChatError `peer_unreachable` that says who was asked, what came of it and what to do, in both languages. */
export async function askPeer<T extends z.ZodType>(
  question: Question,
  schema: T,
): Promise<z.infer<T>> {
  const { peer, url, body, token } = question;
  const { name, variable } = peers[peer];
  if (url === undefined) {
    throw createConsoleError('peer_unreachable', {
      en: `${variable}: expected the address of ${name.en}, got none. \`make up\` sets it; otherwise set it and restart.`,
      zh: `${variable}：应为${name.zh}的地址，目前未设置。make up 会自动设置；否则请设置后重启。`,
    });
  }
  const fail = (came: string, cause?: unknown): ChatError => {
    const en = `${variable}: expected an answer of ${name.en} from ${url}, got ${came}. See \`make status\`, or correct the address.`;
    const zh = `${variable}：应从 ${url} 得到${name.zh}的回答，实际为 ${came}。请查看 make status，或更正该地址。`;
    return new ChatError('peer_unreachable', en, { zh, cause });
  };
  let response: Response;
  let answer: unknown;
  try {
    response = await fetch(url + question.path, {
      signal: AbortSignal.timeout(timeoutMillis),
      headers: {
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(body === undefined ? {} : { 'content-type': 'application/json' }),
      },
      ...(body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }),
    });
    answer = await response.json();
  } catch (error) {
    throw fail(reasonOf(error), error);
  }
  if (!response.ok) throw fail(`status ${response.status}`);
  const parsed = schema.safeParse(answer);
  if (!parsed.success) throw fail('an answer of another program', parsed.error);
  return parsed.data;
}

/** A word such as ECONNREFUSED, TimeoutError or SyntaxError: messages of others may hold anything. */
function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return 'an error';
  const { cause } = error;
  return (cause instanceof Error && (cause as NodeJS.ErrnoException).code) || error.name;
}
