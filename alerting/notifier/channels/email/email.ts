/**
 * Email over SMTP: text and HTML, one envelope for all recipients. A recipient that the server rejects temporarily is retried
 * alone. The Message-ID is the same for every attempt, so that a mail program can recognise a repeat.
 */
import { createTransport } from 'nodemailer';
import { z } from 'zod';
import { isLoopback } from '../../../../src/kit/loopback.ts';
import { decodeCredential } from '../../credentials.ts';
import { writeHtml, writeText } from '../../message/mail-text.ts';
import { createRedaction, defineKind } from '../channel.ts';
import type { Delivery, RetryReason } from '../channel.ts';
import { table } from './table.ts';

/** Fields that nodemailer adds to an error of a server. https://nodemailer.com/smtp/#error-codes */
interface MailError {
  code?: string | undefined;
  responseCode?: number | undefined;
  response?: string | undefined;
  recipient?: string | undefined;
  rejectedErrors?: readonly MailError[] | undefined;
  message?: string | undefined;
}

interface Progress {
  /** Recipients to try again. */
  left: string[];
  /** Recipients that the server rejected permanently. */
  refused: string[];
}

/** Not a vendor's limit: mail providers block senders that flood a mailbox. */
const rates = [{ count: 30, perSeconds: 60 }];
const defaultPort: Readonly<Record<string, number>> = { 'smtp:': 587, 'smtps:': 465 };

const address = z.string().regex(/@/, 'expected an email address');

export const email = defineKind({
  kind: 'email',
  environment: { url: 'SMTP_URL', from: 'MAIL_FROM', to: 'MAIL_TO', ehlo: 'MAIL_EHLO' },
  settings: z.strictObject({
    /**
     * `smtps://user:password@host:465`, or `smtp://`, which requires STARTTLS unless the server is on this machine or
     * `?tls=optional` is added.
     */
    url: z.string().transform((given, context) => {
      const url = URL.parse(given);
      if (url !== null && url.protocol in defaultPort && url.hostname !== '') return url;
      context.addIssue('expected smtp://… or smtps://…, got something else (not shown)');
      return z.NEVER;
    }),
    from: address,
    /** The name of this machine in EHLO; some servers refuse `[127.0.0.1]` or a name without a dot. */
    ehlo: z.string().min(1).optional(),
    to: z
      .union([
        z.string().transform((list) => list.split(/\s*,\s*/).filter(Boolean)),
        z.array(z.string()),
      ])
      .pipe(z.array(address).min(1, 'expected an email address')),
  }),
  create(name, { url, from, to, ehlo }, { timeoutSeconds = 20 } = {}) {
    const redact = createRedaction([url.href, decodeCredential(url.password), url.password]);
    const transport = openTransport(url, timeoutSeconds * 1000, ehlo);
    const domain = /@([^>\s]+)/.exec(from)?.[1] ?? 'localhost';
    return {
      name,
      rates,
      show: (message) => writeText(message),
      async deliver(message, call) {
        const before = readProgress(call.progress, to);
        // If a person resends a dead notification, it goes only to the recipients that the server rejected.
        const isResent = before.left.length === 0;
        const refused = isResent ? [] : before.refused;
        try {
          const { rejectedErrors = [], response } = await transport.sendMail({
            from,
            // The header lists all recipients, although this attempt may go to only some of them.
            to: [...to],
            envelope: { from, to: isResent ? before.refused : before.left },
            messageId: `<${call.id}@${domain}>`,
            headers: { 'Auto-Submitted': 'auto-generated' },
            subject: message.title,
            text: writeText(message),
            html: writeHtml(message),
            disableFileAccess: true,
            disableUrlAccess: true,
            signal: call.signal,
          });
          return judgeRecipients(rejectedErrors, response, refused, redact);
        } catch (error) {
          const { code, rejectedErrors } = error as MailError;
          // This error means that the server rejected every recipient; any other error concerns the whole attempt.
          return code === 'EENVELOPE' && rejectedErrors !== undefined
            ? judgeRecipients(rejectedErrors, '', refused, redact)
            : judgeError(error as MailError, redact);
        }
      },
      close: () => transport.close(),
    };
  },
});

function openTransport(url: URL, timeoutMillis: number, ehlo: string | undefined) {
  const isOptional = url.searchParams.get('tls') === 'optional';
  const user = decodeCredential(url.username);
  return createTransport({
    pool: true,
    maxConnections: 1,
    // The outbox retries, so the pool must not: it would resend a mail that the server may already have accepted.
    maxRequeues: 0,
    idleTimeout: 30_000,
    host: url.hostname.replaceAll(/[[\]]/g, ''),
    port: Number(url.port) || (defaultPort[url.protocol] ?? 587),
    secure: url.protocol === 'smtps:',
    requireTLS: !isLoopback(url.hostname) && !isOptional,
    // Optional encryption protects against listeners only, so a certificate that nobody signed is as good as none.
    ...(isOptional && { tls: { rejectUnauthorized: false } }),
    ...(ehlo !== undefined && { name: ehlo }),
    // nodemailer's defaults are 2 and 10 minutes.
    dnsTimeout: timeoutMillis,
    connectionTimeout: timeoutMillis,
    greetingTimeout: timeoutMillis,
    socketTimeout: timeoutMillis,
    ...(user && { auth: { user, pass: decodeCredential(url.password) } }),
  });
}

function readProgress(progress: string | null, to: readonly string[]): Progress {
  return progress === null ? { left: [...to], refused: [] } : (JSON.parse(progress) as Progress);
}

/** Retry while any recipient is left; then dead if any was refused. */
function judgeRecipients(
  failed: readonly MailError[],
  response: string,
  refusedBefore: readonly string[],
  redact: (text: string) => string,
): Delivery {
  const temporary = failed.filter((error) => !isPermanent(error));
  const permanent = failed.filter(isPermanent);
  const left = temporary.flatMap(({ recipient = [] }) => recipient);
  const refused = [...refusedBefore, ...permanent.flatMap(({ recipient = [] }) => recipient)];
  const progress = JSON.stringify({ left, refused } satisfies Progress);
  if (temporary[0] !== undefined) {
    const detail = redact(`SMTP: ${left.join(', ')}: ${describe(temporary[0])}`);
    return { kind: 'retry', reason: 'server_error', afterSeconds: 0, detail, progress };
  }
  if (refused.length === 0) return { kind: 'delivered', detail: redact(`SMTP: ${response}`) };
  const why = permanent[0] === undefined ? 'refused at an earlier attempt' : describe(permanent[0]);
  const detail = redact(`SMTP: not delivered to ${refused.join(', ')}: ${why}`);
  return { kind: 'dead', reason: 'refused', detail, progress };
}

/** The outcome of an error that concerns all recipients. */
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

/** 5xx replies, except those of the table that pass: 503 is a bad sequence of commands in one session. */
function isPermanent({ responseCode = 0 }: MailError): boolean {
  const row = table.rows.find(({ code }) => code === responseCode);
  return responseCode >= 500 && row?.meaning !== 'their_fault';
}

/**
 * The server's reply, what is wrong with its certificate, or the error code. Other messages may contain a secret.
 * https://docs.openssl.org/master/man1/openssl-verification-options/ has the sentences about certificates.
 */
function describe({ response, code, message = '' }: MailError): string {
  const isCertificate = /certificate|self.signed|altnames|issuer/i.test(message);
  const hint = ' (its authority can be trusted by NODE_EXTRA_CA_CERTS)';
  const tls = isCertificate ? `certificate refused: ${message.slice(0, 200)}${hint}` : undefined;
  return (response ?? tls ?? code ?? 'connection failed').replaceAll(/\s+/g, ' ').slice(0, 300);
}
