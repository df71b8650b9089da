/** What the chat vendors' robots have in common: parts of a long message, and errors told as HTTP 200 with a code in the body. */
import type { Call, Delivery } from './delivery.ts';
import { postJson } from './post.ts';
import { createRedaction } from './redaction.ts';

export interface RobotAnswers {
  /** As a person knows the vendor. */
  vendor: string;
  /** The names of the code and its sentence in the body. */
  codeField: string;
  messageField: string;
  /** Codes for "too fast", and the seconds that it takes to be forgiven. */
  tooFast: ReadonlyMap<number, number>;
  /** Codes that will be the same next time. */
  refused: ReadonlySet<number>;
  /** An answer that has no code and still says something. */
  without?: (answer: Record<string, unknown>) => Delivery | undefined;
}

export interface Robot {
  /** One part by one call. `url` may be signed anew. */
  post(url: URL, body: unknown, call: Call): Promise<Delivery>;
}

export function createRobot(
  answers: RobotAnswers,
  { secrets, timeoutSeconds }: { secrets: readonly (string | undefined)[]; timeoutSeconds: number },
): Robot {
  const redact = createRedaction(secrets);
  const { vendor } = answers;

  function judge(json: Record<string, unknown>): Delivery {
    const special = answers.without?.(json);
    if (special !== undefined) return special;
    const code = json[answers.codeField];
    if (typeof code !== 'number') {
      const detail = `${vendor}: expected ${answers.codeField} in the answer, it has none`;
      return { kind: 'retry', reason: 'unexpected_answer', afterSeconds: 0, detail };
    }
    const said = json[answers.messageField];
    const sentence = typeof said === 'string' ? said.slice(0, 300) : 'no sentence';
    const detail = redact(`${vendor}: ${answers.codeField} ${code}, ${sentence}`);
    // Whatever the HTTP status was, this alone is a delivery.
    if (code === 0) return { kind: 'delivered', detail };
    const afterSeconds = answers.tooFast.get(code);
    if (afterSeconds !== undefined) {
      return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail };
    }
    if (answers.refused.has(code)) return { kind: 'dead', reason: 'refused', detail };
    // A code nobody has told us of is tried again rather than given up.
    return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail };
  }

  return {
    async post(url, body, { signal }) {
      const result = await postJson({ url, body, timeoutSeconds, signal });
      if (result.kind !== 'answer') return result;
      if (result.json !== undefined) return judge(result.json);
      // A page: of a proxy that is in a bad mood, and not the vendor's word.
      const detail = `HTTP ${result.status}, expected a JSON object of ${vendor}`;
      return { kind: 'retry', reason: 'unexpected_answer', afterSeconds: 0, detail };
    },
  };
}

/** Sends the part that is next. A message with more of them is `partly` delivered until the last. */
export async function sendPart(
  parts: readonly string[],
  { progress }: Call,
  send: (part: string, index: number) => Promise<Delivery>,
): Promise<Delivery> {
  const index = Math.min(Number(progress ?? 0), parts.length - 1);
  const delivery = await send(parts[index] ?? '', index);
  if (delivery.kind !== 'delivered' || index === parts.length - 1) return delivery;
  return { kind: 'partly', progress: String(index + 1) };
}
