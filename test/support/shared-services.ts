/**
 * Starts what several test files share: chat services, one used stack and one Chromium per run. A worker asks over HTTP
 * (`shared.ts`); the first request starts the service, and all of them stop at the end of the run. Vitest's globalSetup.
 */
import { createServer, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { TestProject } from 'vitest/node';

export interface SharedServices {
  /** A chat service with the demo model and embeddings, whose Prometheus and Alertmanager cannot be reached. */
  chat: { url: string };
  /** A chat service with the smallest real model. */
  realChat: { url: string };
  /** A stack with traffic of every ending, so that every panel has data. */
  stack: { chatUrl: string; env: Record<'PROMETHEUS_PORT' | 'ALERTMANAGER_PORT', string> };
  /** A headless Chromium, as an address for Playwright. */
  chromium: { address: string };
}

interface Started<Name extends keyof SharedServices> {
  value: SharedServices[Name];
  stop: () => Promise<unknown>;
}

/** Imported on demand, because a run of unit tests needs none of them. */
const starters: { [Name in keyof SharedServices]: () => Promise<Started<Name>> } = {
  async chat() {
    const { startChatService } = await import('./api/chat-service.ts');
    const nowhere = 'http://127.0.0.1:1';
    const service = await startChatService({
      CHAT_EMBEDDINGS: 'true',
      CHAT_STRICT_MODEL: 'false',
      PROMETHEUS_URL: nowhere,
      ALERTMANAGER_URL: nowhere,
    });
    return { value: { url: service.url }, stop: () => service.stop() };
  },
  async realChat() {
    const { startChatService } = await import('./api/chat-service.ts');
    const { realModelId } = await import('./engine/real-model.ts');
    const service = await startChatService({ CHAT_MODEL: realModelId });
    return { value: { url: service.url }, stop: () => service.stop() };
  },
  async stack() {
    const { createUsedStack } = await import('./stack/traffic.ts');
    const stack = await createUsedStack();
    const { PROMETHEUS_PORT = '', ALERTMANAGER_PORT = '' } = stack.env;
    const env = { PROMETHEUS_PORT, ALERTMANAGER_PORT };
    return { value: { chatUrl: stack.chatUrl, env }, stop: () => stack.dispose() };
  },
  async chromium() {
    const { launchChromium } = await import('./console/chromium-server.ts');
    const browser = await launchChromium();
    return { value: { address: browser.wsEndpoint() }, stop: () => browser.close() };
  },
};

const started = new Map<string, Promise<Started<keyof SharedServices>>>();
let server: Server | undefined;

export async function setup(project: TestProject): Promise<void> {
  server = createServer((request, response) => {
    const name = request.url?.slice(1) as keyof SharedServices;
    const service = started.get(name) ?? starters[name]();
    started.set(name, service);
    service.then(
      ({ value }) => response.end(JSON.stringify(value)),
      (error: unknown) => response.writeHead(500).end(String(error)),
    );
  });
  server.listen(0, '127.0.0.1');
  await new Promise((resolve) => server?.once('listening', resolve));
  project.provide('sharedServices', `http://127.0.0.1:${(server.address() as AddressInfo).port}`);
}

export async function teardown(): Promise<void> {
  server?.close();
  for (const service of await Promise.allSettled(started.values())) {
    if (service.status === 'fulfilled') await service.value.stop();
  }
}

declare module 'vitest' {
  interface ProvidedContext {
    sharedServices: string;
  }
}
