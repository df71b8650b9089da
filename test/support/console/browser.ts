/**
 * The console in a headless Chromium. Any fault that a test does not expect fails it: an error in the browser's console, an
 * exception, a request to another machine.
 */
import { readdirSync, statSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Browser, type BrowserContextOptions, type Page } from 'playwright-core';
import { afterAll, afterEach, beforeAll, expect } from 'vitest';
import { shared } from '../shared.ts';
import { root } from '../stack/sandbox.ts';

interface OpenOptions extends BrowserContextOptions {
  /** The view: `#/live`. */
  hash?: string;
  /** Faults that the test causes, such as Chromium's console message about a 429. */
  expected?: RegExp[];
  /** Runs before the page loads, to set routes and scripts. */
  prepare?: (page: Page) => Promise<void>;
}

export interface ConsoleBrowser {
  /** Loads the console of the service at `url` with empty browser storage. */
  open(url: string, options?: OpenOptions): Promise<Page>;
}

/** A connection to the shared Chromium. After each test, its pages are closed and their faults asserted. */
export function useConsoleBrowser(): ConsoleBrowser {
  let browser: Browser;
  let opened: { page: Page; faults: string[]; expected: RegExp[] }[] = [];

  beforeAll(async () => {
    refuseOldPage();
    browser = await chromium.connect((await shared('chromium')).address);
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

/** `make test` builds the page; vitest alone would test an old build. */
function refuseOldPage(): void {
  const folder = path.join(root, 'src/console/page');
  const builtAt = statSync(path.join(folder, '../dist/index.html'), {
    throwIfNoEntry: false,
  })?.mtimeMs;
  const newer = readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => /\.(tsx?|css|html|svg)$/.test(file))
    .map((file) => path.join(folder, file))
    // The two files of otel that the page bundles.
    .concat(path.join(root, 'otel/panels/panel.ts'), path.join(root, 'otel/traces/rows.ts'))
    .find((file) => statSync(file).mtimeMs > (builtAt ?? 0));
  if (newer === undefined) return;
  throw new Error(`the built page is older than ${newer}; run make console`);
}

const outside = (address: string): string => `outside request: ${address}`;

function noteFaults(page: Page): string[] {
  const faults: string[] = [];
  page.on('console', (message) => {
    if (message.type() !== 'error') return;
    faults.push(`console: ${message.text()} (${message.location().url})`);
  });
  page.on('pageerror', (error) => faults.push(`exception: ${error.stack ?? error.message}`));
  // On the context, to include tabs that a link opens.
  page.context().on('request', (request) => noteOutside(request.url()));
  page.on('websocket', (socket) => noteOutside(socket.url()));
  // Ignore a request that the Content-Security-Policy blocks: it is not sent, and the console already reports it as an error.
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
