/** The console's page as a whole: Content-Security-Policy, size, languages, screen sizes, font size, print, a proxy. */
import { createServer, request } from 'node:http';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { beforeAll, describe, expect, test } from 'vitest';
import type { Page } from 'playwright-core';
import { shared } from '../../support/shared.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { answered, ask, button } from '../../support/console/chat.ts';

const browser = useConsoleBrowser();
let service: { url: string };

beforeAll(async () => {
  service = await shared('chat');
});

describe('its Content-Security-Policy', () => {
  const injected = `<script>window.ran = 'inline'</script>
    <script src="data:text/javascript,window.ran='data'"></script>
    <script src="https://evil.example/x.js"></script>
    <img src="https://evil.example/x.png" onerror="window.ran = 'handler'">
    <img src="/none" onerror="window.ran = 'handler'">
    <iframe src="https://evil.example"></iframe>
    <base href="https://evil.example/">
    <style>body { display: none }</style>
    <a id="trap" href="javascript:window.ran='link'">trap</a>`;

  test('blocks injected scripts, images and frames', async () => {
    const page = await browser.open(service.url, {
      expected: [/Content Security Policy/, /status of 404/],
      async prepare(page) {
        await page.route(`${service.url}/`, async (route) => {
          const response = await route.fetch();
          const body = (await response.text()).replace('<body>', `<body>${injected}`);
          await route.fulfill({ response, body });
        });
      },
    });
    await page.locator('#trap').click();
    await ask(page, 'Are you well?');
    await answered(page);
    expect(await page.evaluate(() => 'ran' in window)).toBe(false);
  });

  test('blocks HTML and code from strings', async () => {
    const page = await browser.open(service.url, {
      expected: [/Trusted(HTML|Script)/, /Content Security Policy/],
    });
    const refused = await page.evaluate(async () => {
      // Code from the debugger may use eval; a timer's callback may not.
      await new Promise((resolve) => setTimeout(resolve));
      const script = document.createElement('script');
      const attempts = [
        () => (document.body.innerHTML = '<p>'),
        () => (script.text = 'window.ran = 1'),
        // oxlint-disable-next-line typescript/no-implied-eval -- the test expects it to be blocked
        () => new Function('window.ran = 1'),
      ];
      return attempts.map((attempt) => {
        try {
          attempt();
          return 'done';
        } catch (error) {
          return (error as Error).name;
        }
      });
    });
    expect(refused).toEqual(['TypeError', 'TypeError', 'EvalError']);
  });
});

test('its files are smaller than 150 KB in all, compressed', async () => {
  const page = await browser.open(service.url, { hash: '#/live' });
  const files = await page.evaluate(() =>
    performance
      .getEntries()
      .filter((entry) => entry instanceof PerformanceResourceTiming)
      .filter(({ name }) => !name.includes('/api/'))
      .map(({ name, encodedBodySize }) => [new URL(name).pathname, encodedBodySize] as const),
  );
  const sizes = files.map(([name, bytes]) => `${name} ${bytes} bytes`);
  process.stdout.write(`console: ${sizes.join(', ')}\n`);
  expect(files.map(([name]) => name)).toEqual(
    expect.arrayContaining(['/', expect.stringMatching(/\.js$/), expect.stringMatching(/\.css$/)]),
  );
  for (const [, bytes] of files) expect(bytes).toBeGreaterThan(0);
  expect(files.reduce((sum, [, bytes]) => sum + bytes, 0)).toBeLessThan(150_000);
});

test('its first paint waits for no other file, and has the chosen theme', async () => {
  const page = await browser.open(service.url);
  await page.evaluate(() => (localStorage['llamascope.theme'] = '"dark"'));
  let release = (): void => {};
  const released = new Promise<void>((resolve) => void (release = resolve));
  await page.route('**/console/**', async (route) => {
    await released;
    await route.continue();
  });
  await page.goto(`${service.url}/`, { waitUntil: 'commit' });
  await page.waitForFunction(() => performance.getEntriesByType('paint').length === 2);
  const painted = await page.evaluate(() => ({
    ground: getComputedStyle(document.body).backgroundColor,
    barHeight: document.querySelector('.bar')!.clientHeight,
    links: document.querySelectorAll('a').length,
  }));
  expect(painted).toEqual({ ground: 'rgb(20, 22, 25)', barHeight: 41, links: 1 });
  release();
  await page.getByRole('navigation', { name: 'Views' }).waitFor();
});

test.each([
  ['#/chat', 'Chat · llamascope'],
  ['#/traces', 'Traces · llamascope'],
  ['#/live', /Live · llamascope$/],
  ['#/alerts', 'Alerts · llamascope'],
  ['#/runbooks/QueueBacklog', 'QueueBacklog · Runbook · llamascope'],
])('the tab of %s is called %s', async (hash, title) => {
  const page = await browser.open(service.url, { hash });
  await expect.poll(() => page.title()).toMatch(title);
});

test('every text grows with the font size of the browser', async () => {
  const page = await browser.open(service.url, { hash: '#/alerts' });
  await page.getByText('NOTIFIER_URL: not set.').waitFor();
  const readSizes = () =>
    page.evaluate(() =>
      [...document.querySelectorAll('#page *:not(svg *)')].map((element) => ({
        html: element.outerHTML.slice(0, 80),
        size: Number.parseFloat(getComputedStyle(element).fontSize),
      })),
    );
  const usual = await readSizes();
  const devtools = await page.context().newCDPSession(page);
  await devtools.send('Page.setFontSizes', { fontSizes: { standard: 28 } });
  await expect.poll(async () => (await readSizes())[0]?.size).toBeCloseTo(28 * 0.875, 1);
  const large = await readSizes();
  const fixed = large.filter(({ size }, index) => size < 1.7 * (usual[index]?.size ?? 0));
  expect(fixed).toEqual([]);
  expect(await sideways(page)).toEqual([]);
});

test('on paper it is whole, and without what can only be clicked', async () => {
  const page = await browser.open(service.url, { hash: '#/runbooks/QueueBacklog' });
  await page.getByRole('heading', { name: 'QueueBacklog', exact: true }).waitFor();
  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const main = page.locator('#content');
  expect(await main.evaluate((element) => element.scrollHeight - element.clientHeight)).toBe(0);
  expect(await page.locator('.tabs').isVisible()).toBe(false);
  expect(await page.evaluate(() => getComputedStyle(document.body).backgroundColor)).toBe(
    'rgb(246, 246, 243)',
  );
});

describe('behind a proxy with a path prefix', () => {
  test('it has its styles, its data and answers', async () => {
    const proxy = createServer((incoming, outgoing) => {
      const path = incoming.url?.replace(/^\/llm\//, '/') ?? '/';
      // With the Host of the browser, which the service compares with Origin.
      const { method, headers } = incoming;
      const forwarded = request(service.url + path, { method, headers });
      forwarded.on('response', (answer) => {
        outgoing.writeHead(answer.statusCode ?? 502, answer.headers);
        answer.pipe(outgoing);
      });
      // A path outside of the prefix belongs to another program.
      if (incoming.url?.startsWith('/llm/') === true) incoming.pipe(forwarded);
      else outgoing.writeHead(404).end();
    }).listen(0, '127.0.0.1');
    await once(proxy, 'listening');
    try {
      const { port } = proxy.address() as AddressInfo;
      const page = await browser.open(`http://127.0.0.1:${port}/llm`);
      await page.getByRole('group', { name: 'Service status' }).waitFor();
      expect(await page.locator('#page').evaluate((it) => getComputedStyle(it).display)).toBe(
        'flex',
      );
      await ask(page, 'Are you there?');
      await answered(page);
      await page.locator('.facts-button').click();
      await page.getByRole('button', { name: /^decode/ }).waitFor();
      await page.close();
    } finally {
      proxy.closeAllConnections();
      proxy.close();
    }
  });
});

describe('its language', () => {
  test('is that of the browser until another is chosen', async () => {
    const page = await browser.open(service.url, { locale: 'zh-CN' });
    await page.getByRole('heading', { name: '向模型提问' }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('zh-CN');
    await button(page, 'English').click();
    await page.getByRole('heading', { name: 'Ask the model something' }).waitFor();
    await page.reload();
    await page.getByRole('heading', { name: 'Ask the model something' }).waitFor();
    expect(await page.locator('html').getAttribute('lang')).toBe('en');
    await button(page, '中文').click();
    await page.getByText('当前使用内置演示模型。').waitFor();
  });

  test('shows an error of the service in Chinese', async () => {
    const page = await browser.open(service.url, { locale: 'zh-CN', expected: [/status of 400/] });
    await page.getByLabel('你的问题').fill('word '.repeat(9000));
    await button(page, '发送').click();
    const trouble = await page.getByRole('alert').innerText();
    expect(trouble).toContain('没有得到回答。 会话超出模型的上下文长度');
  });
});

describe.each([360, 1920])('on a screen of %i pixels', (width) => {
  test.each(['en-US', 'zh-CN'])('the chat never scrolls sideways (%s)', async (locale) => {
    const page = await browser.open(service.url, { locale, viewport: { width, height: 740 } });
    expect(await sideways(page)).toEqual([]);
    const isChinese = locale === 'zh-CN';
    await page.getByText(isChinese ? '设置' : 'Settings').click();
    await page
      .getByLabel(isChinese ? '你的问题' : 'Your question')
      .fill('word '.repeat(80) + 'x'.repeat(300));
    await button(page, isChinese ? '发送' : 'Send').click();
    await page.locator('.facts-button').click();
    await page.getByRole('button', { name: /^decode/ }).waitFor();
    expect(await sideways(page)).toEqual([]);
  });
});

/** Elements that scroll sideways, and controls beyond the edge of the screen. */
function sideways(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    const wide = [...document.querySelectorAll('html, body, body *')].filter((element) => {
      if (element.closest('pre, .wide, textarea') !== null) return false;
      const { overflowX } = getComputedStyle(element);
      const scrolls = ['auto', 'scroll'].includes(overflowX) || element.matches('html, body');
      if (scrolls && element.scrollWidth > element.clientWidth + 1) return true;
      const { left, right, width } = element.getBoundingClientRect();
      const shown = width > 1 && element.matches('a, button, input, textarea, summary');
      return (
        shown &&
        element.closest('.visually-hidden') === null &&
        (right > innerWidth + 1 || left < -1)
      );
    });
    return wide.map(
      (element) => `${element.tagName}.${element.className} ${element.textContent.slice(0, 40)}`,
    );
  });
}
