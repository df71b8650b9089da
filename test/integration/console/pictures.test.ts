/** Screenshots of each view, for review by people. CONSOLE_PICTURES names a folder for all of them; without it there are two each. */
import { mkdirSync, readFileSync } from 'node:fs';
import path from 'node:path';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { until } from '../../support/until.ts';
import { shared } from '../../support/shared.ts';
import type { SharedServices } from '../../support/shared-services.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { root } from '../../support/stack/sandbox.ts';
import { raiseAlert } from '../../support/stack/traffic.ts';

/** Ignored by git. */
const folder = process.env['CONSOLE_PICTURES'] ?? path.join(root, '.tools/pictures');
const browser = useConsoleBrowser();
let stack: SharedServices['stack'];

beforeAll(async () => {
  mkdirSync(folder, { recursive: true });
  stack = await shared('stack');
  await raiseAlert(stack, { name: 'HighErrorRate' });
  await raiseAlert(stack, {
    name: 'HighLatency',
    severity: 'warning',
    summary: 'Answers are slow',
    summaryZh: '回答变慢',
  });
  await until(async () => {
    const panel = await fetch(`${stack.chatUrl}/api/panels/phases?minutes=5`);
    return ((await panel.json()) as { series: object[] }).series.length === 4;
  });
}, 120_000);

/** From the start page to a view with content. */
const views: Record<string, (page: Page) => Promise<void>> = {
  async chat(page) {
    await page.locator('.composer-row textarea').fill('What does a token cost?');
    await page.locator('.composer-row textarea').press('Enter');
    await page.locator('.facts-button').click();
    await page.locator('[data-span="decode"]').waitFor();
  },
  async trace(page) {
    await page.goto(`${stack.chatUrl}/#/traces`);
    await page.locator('a.trace-row').first().click();
    await page.locator('.span-row').nth(1).click();
    await page.locator('.span-facts').waitFor();
  },
  async live(page) {
    await page.goto(`${stack.chatUrl}/#/live/inference`);
    // On a small screen the first panel is out of sight.
    await page.locator('[data-panel="phases"]').scrollIntoViewIfNeeded();
    await page.locator('canvas').first().waitFor();
    await page.locator('#content').evaluate((content) => content.scrollTo(0, 0));
  },
  async alerts(page) {
    await page.goto(`${stack.chatUrl}/#/alerts`);
    await page.locator('.alert button').first().click();
    await page.locator('.runbook').waitFor();
  },
};

const screens = [
  { name: 'light', width: 1280, height: 800, locale: 'en-US', colorScheme: 'light' },
  { name: 'small', width: 360, height: 740, locale: 'zh-CN', colorScheme: 'dark' },
  { name: 'dark', width: 1280, height: 800, locale: 'en-US', colorScheme: 'dark' },
  { name: 'large', width: 1920, height: 1080, locale: 'zh-CN', colorScheme: 'light' },
] as const;
const taken = process.env['CONSOLE_PICTURES'] === undefined ? screens.slice(0, 2) : screens;

describe.each(Object.keys(views))('%s', (view) => {
  test.each(taken)('$name', async ({ name, width, height, locale, colorScheme }) => {
    const viewport = { width, height };
    const page = await browser.open(stack.chatUrl, { viewport, locale, colorScheme });
    await views[view]!(page);
    const file = path.join(folder, `${view}-${name}.png`);
    await page.screenshot({ path: file, animations: 'disabled' });
    const picture = readFileSync(file);
    expect([picture.readUInt32BE(16), picture.readUInt32BE(20)]).toEqual([width, height]);
    // An empty page takes a few kilobytes.
    expect(picture.byteLength).toBeGreaterThan(15_000);
    const wide = await page.evaluate(() => document.documentElement.scrollWidth);
    expect(wide).toBeLessThanOrEqual(width);
  });
});
