/** Shared by the chat vendors' robots: parts of a long message, and errors reported as HTTP 200 with a code in the body. */
import type { Call, Delivery } from './channel.ts';
import { postJson } from './post.ts';
import type { PostOptions } from './post.ts';
import { judgeByTable } from './vendor-table.ts';
import type { VendorTable } from './vendor-table.ts';

/** Between the parts of a long message, when people read them in one text. */
export const partSeparator = '\n\n----\n\n';

/** Posts one part to a robot. `redact` removes the channel's secrets from the vendor's answer. */
export async function callRobot(
  table: VendorTable,
  { redact, ...post }: PostOptions & { redact: (text: string) => string },
): Promise<Delivery> {
  const result = await postJson(post);
  if (result.kind !== 'answer') return result;
  const { json, skewMillis, status } = result;
  if (json !== undefined) return judgeAnswer(table, json, { redact, skewMillis });
  return retryUnexpected(`HTTP ${status}, expected a JSON object from ${table.vendor}`);
}

/** Judges an answer by its code only; the HTTP status is ignored. */
function judgeAnswer(
  table: VendorTable,
  json: Record<string, unknown>,
  { redact, skewMillis }: { redact: (text: string) => string; skewMillis: number | undefined },
): Delivery {
  const { vendor, codeField, messageField } = table;
  const special = table.judgeWithoutCode?.(json);
  if (special !== undefined) return special;
  const code = json[codeField];
  if (typeof code !== 'number') {
    return retryUnexpected(`${vendor}: no numeric ${codeField} in the answer`);
  }
  const message = json[messageField];
  const sentence = typeof message === 'string' ? message.slice(0, 300) : 'no message';
  return judgeByTable(table, { code, sentence, shown: redact(sentence), skewMillis });
}

function retryUnexpected(detail: string): Delivery {
  return { kind: 'retry', reason: 'unexpected_answer', afterSeconds: 0, detail };
}

/** Marks a progress whose mentions the vendor refused. */
const withoutMention = ' without mention';

/**
 * Sends the next part of a message. The result is `partial` until the last part is delivered. A part whose mention is refused is
 * sent again without it.
 */
export async function sendPart(
  write: (isMentioning: boolean) => readonly string[],
  { progress }: Call,
  send: (part: string, index: number, count: number) => Promise<Delivery>,
): Promise<Delivery> {
  const isMentioning = !progress?.endsWith(withoutMention);
  const parts = write(isMentioning);
  const suffix = isMentioning ? '' : withoutMention;
  const index = Math.min(Number.parseInt(progress ?? '0', 10), parts.length - 1);
  const delivery = await send(parts[index] ?? '', index, parts.length);
  if (delivery.kind === 'dead' && delivery.isMention && isMentioning) {
    return {
      kind: 'partial',
      progress: `${index}${withoutMention}`,
      notice: `mention refused, sent without it: ${delivery.detail}`,
    };
  }
  if (delivery.kind !== 'delivered' || index === parts.length - 1) return delivery;
  return { kind: 'partial', progress: `${index + 1}${suffix}` };
}
