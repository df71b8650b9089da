/**
 * `make screenshots`: the pictures of the READMEs, from the stack that `make up` started. Serve a real model, so that the answers read
 * well. It sends the traffic that the pictures show, in both languages.
 */
import { writeFileSync } from 'node:fs';
import path from 'node:path';
import { chromium, type Page } from 'playwright-core';
import { readSettings } from '../../../stack/settings.ts';
import { findChromium } from './chromium.ts';

const folder = path.join(import.meta.dirname, '../../../src/console/screenshots');
const { toolsDir } = readSettings(process.env);
const url = `http://127.0.0.1:${process.env['CHAT_PORT'] ?? 8000}`;

const languages = {
  en: {
    locale: 'en-US',
    suffix: '',
    questions: ['What is a unit test?', 'Name three sorting algorithms.', 'What is a hash map?'],
    asked: 'Why do programs cache results? Answer in one sentence.',
  },
  zh: {
    locale: 'zh-CN',
    suffix: '-zh',
    questions: ['什么是单元测试？', '列举三种排序算法。', '什么是哈希表？'],
    asked: '程序为什么要缓存结果？请用一句话回答。',
  },
};
type Language = (typeof languages)[keyof typeof languages];

const post = (body: object) =>
  fetch(`${url}/v1/chat/completions`, { method: 'POST', body: JSON.stringify(body) }).then(
    (answer) => answer.text(),
  );

/** Fills most of the five minutes that panels show. */
const trafficMillis = 180_000;

/** Answers of several lengths, and refusals: a field that is wrong, a prompt that does not fit. */
async function sendTraffic({ questions }: Language): Promise<void> {
  for (const [at, content] of questions.entries()) {
    const messages = [{ role: 'user', content }];
    await Promise.all([
      post({ messages, max_tokens: 24 * (at + 1) }),
      post({ messages, max_tokens: 12 }),
    ]);
    await post({ messages, temperature: 9 });
  }
  await post({ messages: [{ role: 'user', content: 'word '.repeat(20_000) }] });
}

const views: Record<string, (page: Page, language: Language) => Promise<void>> = {
  async chat(page, { asked }) {
    await page.locator('.composer-row textarea').fill(asked);
    await page.locator('.composer-row textarea').press('Enter');
    await page.locator('.facts-button').click({ timeout: 120_000 });
    await page.locator('[data-span="decode"]').waitFor();
  },
  async traces(page) {
    await page.goto(`${url}/#/traces`);
    await page.locator('a.trace-row').first().waitFor();
  },
  async live(page) {
    await page.goto(`${url}/#/live/inference`);
    await page.locator('[data-panel="phases"] canvas').waitFor();
  },
  async alerts(page) {
    await page.goto(`${url}/#/alerts`);
    await page.locator('#content h2').first().waitFor();
  },
};

/** WebP takes a quarter of the bytes of PNG, which is all that Playwright offers without loss. */
async function capture(page: Page): Promise<Buffer> {
  const session = await page.context().newCDPSession(page);
  const { data } = await session.send('Page.captureScreenshot', { format: 'webp', quality: 80 });
  return Buffer.from(data, 'base64');
}

/** The time in which Prometheus scrapes twice and the page asks again. */
const settleMillis = 35_000;

const program = findChromium(process.env['PATH'] ?? '', toolsDir);
if (program === undefined)
  throw new Error('Chromium: run `node test/support/console/chromium.ts`.');
const browser = await chromium.launch({ executablePath: program });
try {
  for (const until = Date.now() + trafficMillis; Date.now() < until;) {
    await sendTraffic(languages.en);
    await sendTraffic(languages.zh);
  }
  for (const language of Object.values(languages)) {
    const { locale, suffix } = language;
    const page = await browser.newPage({ locale, viewport: { width: 1000, height: 640 } });
    await page.goto(url);
    for (const [name, show] of Object.entries(views)) {
      await show(page, language);
      await page.waitForTimeout(name === 'live' ? settleMillis : 1000);
      writeFileSync(path.join(folder, `${name}${suffix}.webp`), await capture(page));
    }
    await page.close();
  }
} finally {
  await browser.close();
}
