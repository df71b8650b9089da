/** Shared by the chat vendors' robots: parts of a long message, and errors reported as HTTP 200 with a code in the body. */
import type { Call, Delivery } from './channel.ts';
import { postJson } from './post.ts';
import type { PostOptions } from './post.ts';

/** The format and the error codes of one vendor's answers. */
export interface RobotAnswers {
  /** The vendor's name, for messages. */
  vendor: string;
  /** Field of the body with the code. */
  codeField: string;
  /** Field of the body with the vendor's sentence. */
  messageField: string;
  /** Codes of a rate limit → seconds until the robot accepts calls again. */
  rateLimited: ReadonlyMap<number, number>;
  /** Codes of errors that a retry cannot fix. */
  refused: ReadonlySet<number>;
  /** Judges answers without a code. If it returns undefined, the answer counts as unexpected. */
  judgeWithoutCode?: (answer: Record<string, unknown>) => Delivery | undefined;
}

/** Posts one part to a robot. `redact` removes the channel's secrets from the vendor's answer. */
export async function callRobot(
  answers: RobotAnswers,
  { redact, ...post }: PostOptions & { redact: (text: string) => string },
): Promise<Delivery> {
  const result = await postJson(post);
  if (result.kind !== 'answer') return result;
  if (result.json !== undefined) return judgeAnswer(answers, result.json, redact);
  return retryUnexpected(`HTTP ${result.status}, expected a JSON object from ${answers.vendor}`);
}

/** Judges an answer by its code only; the HTTP status is ignored. Unknown codes are retried. */
function judgeAnswer(
  answers: RobotAnswers,
  json: Record<string, unknown>,
  redact: (text: string) => string,
): Delivery {
  const { vendor, codeField, messageField } = answers;
  const special = answers.judgeWithoutCode?.(json);
  if (special !== undefined) return special;
  const code = json[codeField];
  if (typeof code !== 'number') {
    return retryUnexpected(`${vendor}: no numeric ${codeField} in the answer`);
  }
  const message = json[messageField];
  const sentence = typeof message === 'string' ? message.slice(0, 300) : 'no message';
  const detail = redact(`${vendor}: ${codeField} ${code}, ${sentence}`);
  if (code === 0) return { kind: 'delivered', detail };
  const afterSeconds = answers.rateLimited.get(code);
  if (afterSeconds !== undefined) {
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail };
  }
  if (answers.refused.has(code)) return { kind: 'dead', reason: 'refused', detail };
  return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail };
}

function retryUnexpected(detail: string): Delivery {
  return { kind: 'retry', reason: 'unexpected_answer', afterSeconds: 0, detail };
}

/** Sends the next part of a message. The result is `partial` until the last part is delivered. */
export async function sendPart(
  parts: readonly string[],
  { progress }: Call,
  send: (part: string, index: number) => Promise<Delivery>,
): Promise<Delivery> {
  const index = Math.min(Number(progress ?? 0), parts.length - 1);
  const delivery = await send(parts[index] ?? '', index);
  if (delivery.kind !== 'delivered' || index === parts.length - 1) return delivery;
  return { kind: 'partial', progress: String(index + 1) };
}
