/**
 * Email over SMTP: text and HTML, one envelope for all recipients. A recipient that the server puts off is tried again by
 * itself; the others have theirs. The Message-ID is the same for every attempt, so that a mailbox can tell a repeat.
 */
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { defineKind } from './channel-kind.ts';
import type { Call, Channel, Delivery, RetryReason } from './delivery.ts';
import { writeHtml, writeText } from '../message/mail-text.ts';
import { createRedaction } from './redaction.ts';
import { isLoopback } from '../../../src/kit/loopback.ts';

export interface EmailOptions {
  name?: string;
  /**
   * `smtps://user:password@host:465`, or `smtp://`, which has to offer STARTTLS unless it is on this machine or
   * `?tls=optional` is added.
   */
  url: URL;
  from: string;
  to: readonly string[];
  timeoutSeconds?: number;
}

/** What nodemailer adds to an error of a server. https://nodemailer.com/smtp/#error-codes */
interface MailError {
  code?: string | undefined;
  responseCode?: number | undefined;
  response?: string | undefined;
  recipient?: string | undefined;
  rejectedErrors?: readonly MailError[] | undefined;
}

/** Recipients that still have to get it, and those whom the server will never take. */
interface Progress {
  left: string[];
  refused: string[];
}

/** No vendor's limit: people read a mailbox, and a provider blocks who floods it. */
const rates = [{ count: 30, perSeconds: 60 }];
const defaultPort: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 };

export function createEmail({
  name = 'email',
  url,
  from,
  to,
  timeoutSeconds = 20,
}: EmailOptions): Channel {
  const user = decodeURIComponent(url.username);
  const pass = decodeURIComponent(url.password);
  const redact = createRedaction([url.href, pass, url.password]);
  const millis = timeoutSeconds * 1000;
  const transport = createTransport({
    pool: true,
    maxConnections: 1,
    // A repeat is the outbox's business: the pool would send again what the server may have.
    maxRequeues: 0,
    idleTimeout: 30_000,
    host: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port) || (defaultPort[url.protocol] ?? 587),
    secure: url.protocol === 'smtps:',
    requireTLS: !isLoopback(url.hostname) && url.searchParams.get('tls') !== 'optional',
    // The defaults are 2 and 10 minutes.
    dnsTimeout: millis,
    connectionTimeout: millis,
    greetingTimeout: millis,
    socketTimeout: millis,
    ...(user && { auth: { user, pass } }),
  });
  const domain = /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost';

  async function send(recipients: readonly string[], mail: object, call: Call): Promise<Outcome> {
    try {
      const info = await transport.sendMail({
        from,
        // What a reader sees, whoever still has to get it.
        to: [...to],
        envelope: { from, to: [...recipients] },
        messageId: `<${call.id}@${domain}>`,
        headers: { 'Auto-Submitted': 'auto-generated' },
        disableFileAccess: true,
        disableUrlAccess: true,
        signal: call.signal,
        ...mail,
      });
      return { failed: info.rejectedErrors ?? [], detail: info.response };
    } catch (error) {
      const mailError = error as MailError;
      // Nobody was taken: as many refusals as recipients. Anything else went wrong for all of them together.
      if (mailError.code === 'EENVELOPE' && mailError.rejectedErrors !== undefined) {
        return { failed: mailError.rejectedErrors, detail: '' };
      }
      return { error: mailError };
    }
  }

  return {
    name,
    rates,
    async deliver(message, call) {
      const before = readProgress(call.progress, to);
      // A dead letter that is sent again goes to those who did not get it.
      const recipients = before.left.length > 0 ? before.left : before.refused;
      const refused = before.left.length > 0 ? before.refused : [];
      const mail = { subject: message.title, text: writeText(message), html: writeHtml(message) };
      const outcome = await send(recipients, mail, call);
      return 'error' in outcome
        ? judgeError(outcome.error, redact)
        : judgeRecipients(outcome, refused, redact);
    },
    close: () => transport.close(),
  };
}

type Outcome = { failed: readonly MailError[]; detail: string } | { error: MailError };

function readProgress(progress: string | null, to: readonly string[]): Progress {
  return progress === null ? { left: [...to], refused: [] } : (JSON.parse(progress) as Progress);
}

function judgeRecipients(
  { failed, detail }: { failed: readonly MailError[]; detail: string },
  refusedBefore: readonly string[],
  redact: (text: string) => string,
): Delivery {
  const left = failed.filter((error) => !isPermanent(error));
  const gone = failed.filter(isPermanent);
  const namesOf = (errors: readonly MailError[]): string[] =>
    errors.flatMap(({ recipient }) => recipient ?? []);
  const refused = [...refusedBefore, ...namesOf(gone)];
  const progress = JSON.stringify({ left: namesOf(left), refused } satisfies Progress);
  const [putOff] = left;
  if (putOff !== undefined) {
    const sentence = redact(`SMTP: ${namesOf(left).join(', ')}: ${describe(putOff)}`);
    return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail: sentence, progress };
  }
  if (refused.length === 0) return { kind: 'delivered', detail: redact(`SMTP: ${detail}`) };
  const why = gone[0] === undefined ? 'refused before' : describe(gone[0]);
  const sentence = redact(`SMTP: not for ${refused.join(', ')}: ${why}`);
  return { kind: 'dead', reason: 'refused', detail: sentence, progress };
}

/** What went wrong for all recipients together. */
function judgeError(error: MailError, redact: (text: string) => string): Delivery {
  const detail = redact(`SMTP: ${describe(error)}`);
  if (isPermanent(error)) return { kind: 'dead', reason: 'refused', detail };
  return { kind: 'retry', reason: reasonOf(error), afterSeconds: 0, detail };
}

function reasonOf({ code, responseCode }: MailError): RetryReason {
  if (responseCode !== undefined) return 'server_error';
  if (code === 'ETIMEDOUT') return 'timeout';
  return code === 'EPROTOCOL' ? 'unexpected_answer' : 'network';
}

/** 5xx is for ever, but for 503: a session that went wrong. https://www.rfc-editor.org/rfc/rfc5321#section-4.2.1 */
function isPermanent({ responseCode = 0 }: MailError): boolean {
  return responseCode >= 500 && responseCode !== 503;
}

/** The server's own words, or the code: an error's message may hold more than we know. */
function describe({ response, code }: MailError): string {
  return (response ?? code ?? 'connection failed').replaceAll(/\s+/g, ' ').slice(0, 300);
}

const address = z.string().regex(/@/, 'expected an email address');

export const email = defineKind({
  kind: 'email',
  settings: z.strictObject({
    url: z.string().transform((given, context) => {
      const url = URL.parse(given);
      if (url !== null && url.protocol in defaultPort && url.hostname !== '') return url;
      context.addIssue('expected smtp://… or smtps://…, got something else (not shown)');
      return z.NEVER;
    }),
    from: address,
    to: z
      .union([
        z.string().transform((list) => list.split(/\s*,\s*/).filter(Boolean)),
        z.array(z.string()),
      ])
      .pipe(z.array(address).min(1, 'expected an email address')),
  }),
  environment: { url: 'SMTP_URL', from: 'MAIL_FROM', to: 'MAIL_TO' },
  create: (name, options) => createEmail({ name, ...options }),
});
