/**
 * The console in a headless Chromium. A fault of the page that no test asked for fails the test: an error in its console,
 * an exception, a request that leaves this machine.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { findChromium } from './chromium.ts';
import { root } from '../stack/sandbox.ts';

interface OpenOptions extends BrowserContextOptions {
  /** The view: `#/live`. */
  hash?: string;
  /** Faults that the test causes, such as Chromium's own line about an answer of 429. */
  expected?: RegExp[];
  /** Runs before the page is loaded, for routes and scripts. */
  prepare?: (page: Page) => Promise<void>;
}

export interface ConsoleBrowser {
  /** The console of the service at `url`, loaded, in a browser that has never been there. */
  open(url: string, options?: OpenOptions): Promise<Page>;
}

/** No request of Chromium's own, and no name that is looked up anywhere. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** One Chromium for the tests of a file; what they opened is judged and closed after each. */
export function useConsoleBrowser(): ConsoleBrowser {
  let browser: Browser;
  let opened: { page: Page; faults: string[]; expected: RegExp[] }[] = [];

  beforeAll(async () => {
    refuseOldPage();
    browser = await launch();
  });
  afterAll(() => browser.close());
  afterEach(async () => {
    const pages = opened;
    opened = [];
    await Promise.all(pages.map(({ page }) => page.context().close()));
    const unexpected = pages.flatMap(({ faults, expected }) =>
      faults.filter((fault) => !expected.some((pattern) => pattern.test(fault))),
    );
    expect(unexpected).toEqual([]);
  });

  return {
    async open(url, { hash = '', expected = [], prepare, ...contextOptions } = {}) {
      const context = await browser.newContext({
        locale: 'en-US',
        viewport: { width: 1280, height: 800 },
        ...contextOptions,
      });
      context.setDefaultTimeout(30_000);
      const page = await context.newPage();
      opened.push({ page, faults: noteFaults(page), expected });
      await prepare?.(page);
      const answer = await page.goto(`${url}/${hash}`);
      if (answer?.ok() === false) throw new Error(await answer.text());
      await page.getByRole('navigation').first().waitFor();
      return page;
    },
  };
}

/** `make test` builds it; whoever runs vitest would otherwise judge the page of yesterday. */
function refuseOldPage(): void {
  const folder = path.join(root, 'src/console/page');
  const builtAt = statSync(path.join(folder, '../dist/index.html'), {
    throwIfNoEntry: false,
  })?.mtimeMs;
  const newer = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(tsx?|css|html|svg)$/.test(file))
    .map((file) => path.join(folder, file))
    .find((file) => statSync(file).mtimeMs > (builtAt ?? 0));
  if (newer === undefined) return;
  throw new Error(`expected a page newer than ${newer}, found an older one; run make console`);
}

/** Its profile is an empty folder that goes with it. */
function launch(): Promise<Browser> {
  const executablePath = findChromium(process.env['PATH'] ?? '', path.join(root, '.tools'));
  if (executablePath === undefined) {
    throw new Error('expected a Chromium, found none; `make test` brings one, or install chromium');
  }
  return chromium.launch({ executablePath, args: flags });
}

const outside = (address: string): string => `outside request: ${address}`;

function noteFaults(page: Page): string[] {
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack ?? error.message}`));
  // Of the context, so that a tab that a link opens counts too.
  page.context().on('request', (request) => noteOutside(request.url()));
  page.on('websocket', (socket) => noteOutside(socket.url()));
  // What the page's policy blocks is told as a request that failed; it never leaves, and is an error in the console.
  page.context().on('requestfailed', (request) => {
    if (request.failure()?.errorText !== 'csp') return;
    const at = faults.indexOf(outside(request.url()));
    if (at !== -1) faults.splice(at, 1);
  });

  function noteOutside(address: string): void {
    const { protocol, hostname } = new URL(address);
    if (protocol === 'data:' || protocol === 'blob:' || hostname === '127.0.0.1') return;
    faults.push(outside(address));
  }
  return faults;
}
