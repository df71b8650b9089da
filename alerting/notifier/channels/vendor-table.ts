/** The type of a vendor's table of answers and their meanings. Each vendor's channel reads its table, and its page lists it. */
import type { Text } from '../../../otel/text.ts';
import type { Delivery } from './channel.ts';

/**
 * `slow_down`: a rate limit. `content`: this text is refused. `mention`: a mentioned person is unknown. `credentials`: token,
 * signature, keyword or IP address. `clock`: the time of the signature. `signature`: the vendor does not say which of the two.
 * `their_fault`: an error of the vendor.
 */
type Meaning =
  | 'delivered'
  | 'slow_down'
  | 'content'
  | 'mention'
  | 'credentials'
  | 'clock'
  | 'signature'
  | 'their_fault';

export interface VendorRow {
  code: number;
  /** The vendor's sentence, as its documents or users report it. */
  sentence: string;
  /** Added to the sentence on the vendor's page: when it comes. */
  note?: Text;
  /** Only answers whose sentence matches; without it, any answer with the code. */
  only?: RegExp;
  meaning: Meaning;
  /** For `slow_down`: seconds until the robot accepts calls again. */
  afterSeconds?: number;
  source: string;
}

export interface VendorTable {
  /** The vendor's name, for messages. */
  vendor: string;
  /** Fields of the body with the code and with the vendor's sentence. */
  codeField: string;
  messageField: string;
  /** The first row that matches an answer applies. */
  rows: readonly VendorRow[];
  /** Judges answers without a code. If it returns undefined, the answer counts as unexpected. */
  judgeWithoutCode?: (answer: Record<string, unknown>) => Delivery | undefined;
}

/** A difference to the vendor's clock, in milliseconds, beyond which a signature is refused: an hour for each vendor. */
const maxSkewMillis = 3_500_000;

export interface VendorAnswer {
  code: number;
  sentence: string;
  /** `sentence` without secrets, for people. */
  shown: string;
  /** Our clock minus the vendor's by its `Date` header; undefined without one. */
  skewMillis: number | undefined;
}

/** A code that is in no table is retried, and counts against the content: the worker gives up a text that is always refused. */
export function judgeByTable(
  { vendor, codeField, rows }: VendorTable,
  { code, sentence, shown, skewMillis }: VendorAnswer,
): Delivery {
  const row = rows.find((each) => each.code === code && (each.only?.test(sentence) ?? true));
  const detail = `${vendor}: ${codeField} ${code}, ${shown}`;
  const retry = { kind: 'retry', afterSeconds: 0, detail } as const;
  const clock = { ...retry, reason: 'clock' } as const;
  switch (row?.meaning) {
    case 'delivered':
      return { kind: 'delivered', detail };
    case 'slow_down':
      return { ...retry, reason: 'rate_limited', afterSeconds: row.afterSeconds ?? 60 };
    case 'mention':
      return { kind: 'dead', reason: 'refused', detail, isMention: true };
    case 'content':
    case 'credentials':
      return { kind: 'dead', reason: 'refused', detail };
    case 'clock':
      return clock;
    case 'signature': {
      const isSkewed = skewMillis === undefined || Math.abs(skewMillis) > maxSkewMillis;
      return isSkewed ? clock : { kind: 'dead', reason: 'refused', detail };
    }
    case 'their_fault':
    case undefined:
    default:
      return { ...retry, reason: 'server_error', isRefusal: true };
  }
}

/** By meaning: what the notifier does, in English and Chinese. */
const actions: Record<Meaning, readonly [string, string]> = {
  delivered: ['delivered', '送达'],
  slow_down: ['waits, then sends again', '等待后重发'],
  content: ['dead; a digest is halved', '不再重发；汇总消息则拆成两半重发'],
  mention: ['sends again without the mention', '去掉 @ 后重发'],
  credentials: ['dead; check the settings', '不再重发，请检查设置'],
  clock: ['sends again, signed anew', '重新签名后重发'],
  signature: [
    'as `clock` if the clocks differ by an hour, else dead',
    '与厂商的时钟相差 1 小时以上则重发，否则不再重发',
  ],
  their_fault: ['sends again', '重发'],
};

/** The rows of a vendor's page. A test compares the page with them. */
export function writeTable({ rows }: VendorTable, language: 'en' | 'zh'): string {
  const index = language === 'en' ? 0 : 1;
  const lines = rows.map(({ code, sentence, note, meaning, afterSeconds, source }) => {
    const when = note && (language === 'en' ? `, ${note.en}` : `（${note.zh}）`);
    const action = actions[meaning][index];
    const wait = language === 'en' ? ` (${afterSeconds} s)` : `（${afterSeconds} 秒）`;
    return `| ${code} | ${sentence}${when ?? ''} | ${action}${afterSeconds === undefined ? '' : wait} | [${new URL(source).hostname}](${source}) |`;
  });
  const head =
    language === 'en'
      ? '| code | sentence | the notifier | source |'
      : '| 错误码 | 说明 | 处理 | 来源 |';
  return [head, '|---|---|---|---|', ...lines].join('\n');
}
