/** A real SMTP server whose errors a test can choose. */
import { once } from 'node:events';
import { createServer } from 'node:net';
import type { AddressInfo, Socket } from 'node:net';
import { simpleParser } from 'mailparser';
import type { ParsedMail } from 'mailparser';
import { SMTPServer } from 'smtp-server';
import type { SMTPServerOptions } from 'smtp-server';

export interface ReceivedMail {
  /** Recipients of the envelope. */
  recipients: string[];
  mail: ParsedMail;
}

export interface MailServer {
  port: number;
  /** Accepted mails, in order. */
  received: ReceivedMail[];
  /** Recipient → reply codes to its next RCPT TO commands. */
  recipientErrors: Map<string, number[]>;
  /** Reply codes to the next DATA commands. */
  dataErrors: number[];
  connections: number;
  close(): Promise<void>;
}

export async function startMailServer(options: SMTPServerOptions = {}): Promise<MailServer> {
  const server = new SMTPServer({
    disabledCommands: options.secure === true ? [] : ['STARTTLS'],
    authOptional: true,
    onConnect(_, callback) {
      mail.connections += 1;
      callback();
    },
    onRcptTo({ address }, _, callback) {
      const code = mail.recipientErrors.get(address)?.shift();
      callback(code === undefined ? null : answer(code, 'no'));
    },
    onData(stream, session, callback) {
      simpleParser(stream).then(
        (parsed) => {
          const code = mail.dataErrors.shift();
          if (code !== undefined) return callback(answer(code, 'not now'));
          const recipients = session.envelope.rcptTo.map(({ address }) => address);
          mail.received.push({ recipients, mail: parsed });
          callback(null);
        },
        (error: unknown) => callback(error as Error),
      );
    },
    logger: false,
    ...options,
  });
  // Clients that disconnect are part of the tests.
  server.on('error', () => undefined);
  const listening = server.listen(0, '127.0.0.1');
  await once(listening, 'listening');
  const mail: MailServer = {
    port: (listening.address() as AddressInfo).port,
    received: [],
    recipientErrors: new Map(),
    dataErrors: [],
    connections: 0,
    close: () => new Promise((resolve) => server.close(() => resolve())),
  };
  return mail;
}

function answer(code: number, sentence: string): Error {
  return Object.assign(new Error(sentence), { responseCode: code });
}

/** A TCP server that sends `greeting` and closes; without a greeting it never answers. */
export async function startGreeter(greeting: string | undefined): Promise<{
  port: number;
  close(): Promise<void>;
}> {
  const sockets = new Set<Socket>();
  const server = createServer((socket) => {
    sockets.add(socket);
    socket.on('error', () => undefined);
    if (greeting !== undefined) socket.end(greeting);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      for (const socket of sockets) socket.destroy();
      const closed = once(server, 'close');
      server.close();
      await closed;
    },
  };
}
