/**
 * `make notify-test CHANNEL=name`: lets the running notifier send one test message, and prints what became of it and the message as
 * rendered. Without CHANNEL: the only channel. `TEMPLATE=file` (or a text with `{{ }}`) renders the message by that template instead,
 * and sends nothing.
 */
import { readFileSync } from 'node:fs';
import { setTimeout as delay } from 'node:timers/promises';
import { z } from 'zod';
import type { Text } from '../../otel/text.ts';
import { explainFetchFailure } from '../../src/kit/fetch-failure.ts';
import { languageOf } from '../../src/kit/language.ts';
import { problemInChinese } from '../../src/kit/problem-in-chinese.ts';
import { createSettings } from '../../src/kit/settings.ts';

export interface NotifyTest {
  /** Address of the running notifier. */
  url: string;
  token?: string | undefined;
  channel?: string | undefined;
  /** Liquid: the message is rendered by it, not sent. */
  template?: string | undefined;
  say: (text: Text) => void;
  request?: (url: string, init?: RequestInit) => Response | Promise<Response>;
  timeoutMillis?: number;
}

const Rendered = z.object({
  channel: z.string(),
  rendered: z.string(),
  warnings: z.array(z.string()),
});
const Queued = Rendered.extend({ id: z.number(), storesOnly: z.boolean() });
const Refused = z.object({
  error: z.string().optional(),
  channels: z.array(z.string()).optional(),
});
const Notifications = z.object({
  notifications: z.array(
    z.object({
      id: z.number(),
      state: z.enum(['pending', 'delivered', 'dead']),
      attempts: z.number(),
      lastReason: z.string().nullable(),
      lastDetail: z.string().nullable(),
    }),
  ),
});

const pollMillis = 100;

/** Returns the exit code: 0 when the channel accepted the message, 2 for an unknown channel, else 1. */
export async function sendTest(options: NotifyTest): Promise<number> {
  const { url, token, channel, template, say, request = fetch, timeoutMillis = 60_000 } = options;
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  const ask = (path: string, init: RequestInit = {}): Response | Promise<Response> =>
    request(url + path, { ...init, headers, signal: AbortSignal.timeout(timeoutMillis) });
  const startedAt = performance.now();
  let answer: Response;
  try {
    const body = JSON.stringify({ channel, template });
    answer = await ask('/api/notifications/test', { method: 'POST', body });
  } catch (error) {
    const reason = explainFetchFailure(error);
    say({
      en: `Not sent: no notifier answers at ${url} (${reason}). Start it with \`make up\`.`,
      zh: `未发送：${url} 没有通知服务响应（${reason}）。请运行 make up 启动。`,
    });
    return 1;
  }
  const body: unknown = await answer.json().catch(() => undefined);
  if (template !== undefined) return showRendered(options, answer, body);
  const parsed = Queued.safeParse(body);
  if (!answer.ok || !parsed.success) return refuse(options, answer.status, body);
  const { id, channel: name, storesOnly, rendered, warnings } = parsed.data;
  for (;;) {
    const found = Notifications.safeParse(await (await ask('/api/notifications?limit=500')).json());
    const sent = found.data?.notifications.find((each) => each.id === id);
    const millis = Math.round(performance.now() - startedAt);
    const isOver = millis > timeoutMillis;
    const outcome = judge(sent, { name, id, storesOnly, url, millis, isOver });
    if (outcome !== undefined) {
      say(outcome.text);
      say({ en: `\n${rendered}`, zh: `\n${rendered}` });
      warn(say, warnings);
      return outcome.code;
    }
    await delay(pollMillis);
  }
}

interface Asked {
  name: string;
  id: number;
  storesOnly: boolean;
  url: string;
  millis: number;
  /** Nothing is waited for any longer. */
  isOver: boolean;
}

type Sent = z.infer<typeof Notifications>['notifications'][number];

/** The exit code and a sentence about the test message; undefined before its first attempt. */
function judge(
  sent: Sent | undefined,
  { name, id, storesOnly, url, millis, isOver }: Asked,
): { code: number; text: Text } | undefined {
  if (sent?.state === 'delivered') {
    return { code: 0, text: storesOnly ? stored(name, url) : delivered(name, id, millis) };
  }
  const why = [sent?.lastReason, sent?.lastDetail].filter(Boolean).join(', ');
  if (sent?.state === 'dead') {
    const text = { en: `${name}: not delivered (${why}).`, zh: `${name}：发送失败（${why}）。` };
    return { code: 1, text };
  }
  if ((sent?.attempts ?? 0) === 0 && !isOver) return undefined;
  const reason = why || `${Math.round(millis / 1000)} s`;
  return {
    code: 1,
    text: {
      en: `${name}: not delivered yet (${reason}). The notifier tries again; see ${url}/api/notifications.`,
      zh: `${name}：尚未送达（${reason}）。通知服务会继续重试，见 ${url}/api/notifications。`,
    },
  };
}

function showRendered(options: NotifyTest, { ok, status }: Response, body: unknown): number {
  const parsed = Rendered.safeParse(body);
  if (!ok || !parsed.success) return refuse(options, status, body);
  const { channel, rendered, warnings } = parsed.data;
  options.say({
    en: `${channel}: rendered, not sent.\n\n${rendered}`,
    zh: `${channel}：仅渲染，未发送。\n\n${rendered}`,
  });
  warn(options.say, warnings);
  return 0;
}

function warn(say: NotifyTest['say'], warnings: readonly string[]): void {
  for (const warning of warnings) {
    say({ en: `\nWarning: ${warning}`, zh: `\n警告：${problemInChinese(warning)}` });
  }
}

const delivered = (name: string, id: number, millis: number): Text => ({
  en: `${name}: delivered in ${millis} ms (notification ${id}).`,
  zh: `${name}：已送达，用时 ${millis} 毫秒（通知编号 ${id}）。`,
});

const stored = (name: string, url: string): Text => ({
  en: `${name}: stored, nobody was notified: no robot or mail server is configured. It is listed at ${url}/api/notifications.`,
  zh: `${name}：已保存，但未通知任何人：尚未配置机器人或邮件服务器。可在 ${url}/api/notifications 查看。`,
});

/** The notifier did not accept the request: an unknown channel, a missing token, or another program at this address. */
function refuse({ say, url, channel }: NotifyTest, status: number, body: unknown): number {
  const { channels, error } = Refused.safeParse(body).data ?? {};
  if (channels === undefined) {
    const reason = error ?? `HTTP ${status}`;
    say({ en: `Not sent: ${url}: ${reason}`, zh: `未发送：${url}：${reason}` });
    return 1;
  }
  const got = channel === undefined ? undefined : JSON.stringify(channel);
  say({
    en: `CHANNEL: expected one of ${channels.join(', ')}, got ${got ?? 'none'}. How to configure a channel: alerting/notifier/README.md`,
    zh: `CHANNEL 的取值无效：${got ?? '未指定'}。可选值：${channels.join('、')}。渠道的配置方法见 alerting/notifier/README.md`,
  });
  return 2;
}

/** The template itself, or the content of the file that it names. */
function readTemplate(given: string | undefined): string | undefined {
  if (!given || /\{[{%]/.test(given)) return given || undefined;
  try {
    return readFileSync(given, 'utf8');
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error';
    const expected = 'TEMPLATE: expected a file, or a text with {{ }}';
    throw new Error(`${expected}, got ${code} for ${given}.`, { cause: error });
  }
}

async function main(): Promise<number> {
  const settings = createSettings(process.env);
  const port = settings.text('NOTIFIER_PORT') ?? '8060';
  const token = settings.secret('NOTIFIER_TOKEN');
  settings.throwProblems();
  return sendTest({
    url: (settings.text('NOTIFIER_URL') ?? `http://127.0.0.1:${port}`).replace(/\/$/, ''),
    token,
    channel: process.argv[2] || undefined,
    template: readTemplate(process.env['NOTIFY_TEMPLATE']),
    say: (text) => process.stdout.write(`${text[languageOf(process.env)]}\n`),
  });
}

if (process.argv[1] === import.meta.filename) {
  process.exitCode = await main().catch((error: unknown) => {
    process.stderr.write(`${error instanceof Error ? error.message : 'the test failed'}\n`);
    return 1;
  });
}
