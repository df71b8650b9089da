/** The console's page when the service answers late, with rubbish or not at all. */
import type { Page } from 'playwright-core';
import { beforeAll, expect, test } from 'vitest';
import { shared } from '../../support/shared.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';

const browser = useConsoleBrowser();
let service: { url: string };

beforeAll(async () => {
  service = await shared('chat');
});

/** The state of the service in the header. */
function strip(page: Page, text: string): ReturnType<Page['getByText']> {
  return page.locator('.bar .status').getByText(text);
}

const broken = {
  'cut off': { body: '{"state":"rea' },
  'HTML of a proxy': { contentType: 'text/html', body: '<h1>Log in</h1>' },
};

test('an answer that is cut off or HTML is shown, and polling goes on', async () => {
  const page = await browser.open(service.url, {
    prepare: (prepared) => prepared.clock.install(),
  });
  for (const answer of Object.values(broken)) {
    await strip(page, 'ready').waitFor();
    await page.route('**/api/status', (route) => route.fulfill(answer));
    await page.clock.fastForward(4000);
    await strip(page, 'cut off or is not JSON').waitFor();
    expect(await strip(page, 'ready').count()).toBe(0);
    await page.unroute('**/api/status');
    await page.clock.fastForward(21_000);
  }
  await strip(page, 'ready').waitFor();
});

test('a full disk of the log is told below the header', async () => {
  const page = await browser.open(service.url, {
    locale: 'zh-CN',
    async prepare(prepared) {
      await prepared.route('**/api/status', async (route) => {
        const response = await route.fetch();
        await route.fulfill({ response, json: { ...(await response.json()), logDiskFull: true } });
      });
    },
  });
  await page.getByRole('status').getByText('磁盘已满，日志正在丢失。').waitFor();
  await page.getByRole('button', { name: 'English' }).click();
  await page.getByRole('status').getByText('The disk is full, so log lines are lost.').waitFor();
  await page.unroute('**/api/status');
  await expect
    .poll(() => page.getByText('log lines are lost').count(), { timeout: 10_000 })
    .toBe(0);
});

test('a service that hangs is not shown as ready', async () => {
  const page = await browser.open(service.url, {
    prepare: (prepared) => prepared.clock.install(),
  });
  await strip(page, 'ready').waitFor();
  const asked = page.waitForRequest('**/api/status');
  await page.route('**/api/status', () => {});
  await page.clock.fastForward(4000);
  await asked;
  await page.clock.fastForward(11_000);
  await strip(page, 'did not answer within 10 s').waitFor();
  expect(await strip(page, 'ready').count()).toBe(0);
});

test('the list of traces is marked as old while the browser is offline, and is read again at once', async () => {
  await fetch(`${service.url}/chat`, { method: 'POST', body: '{"prompt":"hello"}' });
  const page = await browser.open(service.url, {
    hash: '#/traces',
    expected: [/ERR_INTERNET_DISCONNECTED/],
  });
  await page.locator('.trace-row .chip').first().waitFor();
  await page.context().setOffline(true);
  const note = page.locator('#content .stale-note');
  await note.getByText('The browser is offline').waitFor();
  expect(await note.innerText()).toMatch(/values from \d+ s ago/);
  expect(await page.locator('.trace-row .chip').count()).toBeGreaterThan(0);
  await page.context().setOffline(false);
  await note.waitFor({ state: 'detached' });
});

test('a hidden tab rests, and asks at once when it is shown again', async () => {
  const page = await browser.open(service.url, {
    prepare: (prepared) => prepared.clock.install(),
  });
  await strip(page, 'ready').waitFor();
  const hide = (hidden: boolean): Promise<void> =>
    page.evaluate((hidden) => {
      Object.defineProperty(document, 'hidden', { value: hidden, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await hide(true);
  let asked = 0;
  page.on('request', () => (asked += 1));
  await page.clock.runFor(60_000);
  expect(asked).toBe(0);
  const asking = page.waitForRequest('**/api/status');
  await hide(false);
  await asking;
});
