/** A receiver of webhooks for tests, of the notifier's or of Alertmanager's. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { readBody } from '../../../alerting/notifier/channels/stand-in.ts';

export interface ReceivedWebhook {
  key: string;
  authorization: string | undefined;
  body: {
    title: string;
    text: string;
    status: string;
    alerts: { status: string; labels: Record<string, string> }[];
  };
}

export interface WebhookReceiver {
  url: string;
  /** Every request, including repeats. */
  received: ReceivedWebhook[];
  /** Statuses of the next answers, then 200. */
  statuses: number[];
  /** Runs before each answer. */
  beforeAnswer: () => Promise<void> | void;
  close(): Promise<void>;
}

export async function startWebhookReceiver(): Promise<WebhookReceiver> {
  const server = createServer((request, response) => {
    void readBody(request).then(async (text) => {
      const status = receiver.statuses.shift() ?? 200;
      if (status < 300) {
        receiver.received.push({
          key: String(request.headers['idempotency-key']),
          authorization: request.headers.authorization,
          body: JSON.parse(text) as ReceivedWebhook['body'],
        });
      }
      await receiver.beforeAnswer();
      response.writeHead(status).end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const receiver: WebhookReceiver = {
    url: `http://127.0.0.1:${port}/`,
    received: [],
    statuses: [],
    beforeAnswer: () => undefined,
    async close() {
      const closed = new Promise((resolve) => server.close(resolve));
      server.closeAllConnections();
      await closed;
    },
  };
  return receiver;
}
