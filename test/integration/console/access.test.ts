/** Accessibility of the console: screen readers, keyboard, both languages and themes, small and large screens. */
import axe from 'axe-core';
import type { Page } from 'playwright-core';
import { beforeAll, describe, expect, test } from 'vitest';
import { en } from '../../../src/console/page/texts/en.ts';
import { zh } from '../../../src/console/page/texts/zh.ts';
import { until } from '../../support/until.ts';
import { shared } from '../../support/shared.ts';
import type { SharedServices } from '../../support/shared-services.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { raiseAlert } from '../../support/stack/traffic.ts';

const browser = useConsoleBrowser();
let stack: SharedServices['stack'];
let traceId: string;

beforeAll(async () => {
  stack = await shared('stack');
  await raiseAlert(stack, { name: 'HighErrorRate' });
  const answer = await fetch(`${stack.chatUrl}/api/traces?limit=1`);
  traceId = ((await answer.json()) as { traces: { traceId: string }[] }).traces[0]!.traceId;
  await until(async () => {
    const panel = await fetch(`${stack.chatUrl}/api/panels/phases?minutes=5`);
    return ((await panel.json()) as { series: object[] }).series.length === 4;
  });
}, 120_000);

/** Every view, and how to open everything on it. */
const views: { name: string; hash: () => string; open: (page: Page) => Promise<void> }[] = [
  {
    name: 'chat',
    hash: () => '#/chat',
    async open(page) {
      await page.locator('.composer-row textarea').fill('hello');
      await page.locator('.composer-row textarea').press('Enter');
      await page.locator('.facts-button').click();
      await page.locator('[data-span="decode"]').waitFor();
      await page.locator('.settings summary').click();
    },
  },
  {
    name: 'traces',
    hash: () => '#/traces',
    open: (page) => page.locator('a.trace-row').first().waitFor(),
  },
  {
    name: 'trace',
    hash: () => `#/traces/${traceId}`,
    open: (page) => page.locator('.span-row').nth(1).click(),
  },
  ...['qwen-monitor', 'inference', 'slo', 'pipeline'].map((id) => ({
    name: id,
    hash: () => `#/live/${id}`,
    open: (page: Page) => page.locator('canvas, .figures').first().waitFor(),
  })),
  {
    name: 'alerts',
    hash: () => '#/alerts',
    async open(page) {
      const buttons = page.locator('.alert button');
      await buttons.first().click();
      await page.locator('.runbook').waitFor();
      await buttons.last().click();
      await page.locator('.rule summary').first().click();
      await page.locator('.episode').first().waitFor();
    },
  },
  {
    name: 'runbook',
    hash: () => '#/runbooks/HighErrorRate',
    open: (page) => page.locator('.runbook').waitFor(),
  },
];

/** Changes the view without a reload. */
async function show(page: Page, view: (typeof views)[number]): Promise<void> {
  await page.evaluate((hash) => void (location.hash = hash), view.hash());
  await view.open(page);
}

/** Violations that axe rates serious or critical, with their elements. */
async function findFaults(page: Page): Promise<string[]> {
  return page.evaluate(async () => {
    const scanner = (globalThis as unknown as { axe: typeof axe }).axe;
    // Without the details of rules that pass.
    const { violations } = await scanner.run({ resultTypes: ['violations'] });
    return violations
      .filter(({ impact }) => impact === 'serious' || impact === 'critical')
      .flatMap(({ id, nodes }) => nodes.map(({ html }) => `${id}: ${html.slice(0, 160)}`));
  });
}

/** The texts of one language that differ in the other. */
function sentencesIn(texts: object, others: object): string[] {
  return Object.entries(texts).flatMap(([key, text]: [string, unknown]) => {
    const other = (others as Record<string, unknown>)[key];
    if (typeof text === 'string') return text === other ? [] : [text];
    return typeof text === 'object' && text !== null ? sentencesIn(text, other ?? {}) : [];
  });
}

/** The texts of a page, including labels for screen readers. */
function textsOn(page: Page): Promise<string[]> {
  return page.evaluate(() => {
    // Names of spans, attributes, series and models are not translated.
    const names = '.span-name, .span-facts, .legend, .trace-name, .trace-numbers dd';
    const found: string[] = [];
    for (const element of document.querySelectorAll('body *')) {
      if (element.closest(names) !== null) continue;
      const texts = [...element.childNodes].filter(({ nodeType }) => nodeType === Node.TEXT_NODE);
      found.push(...texts.map(({ textContent }) => textContent!.trim()));
      for (const name of ['aria-label', 'title', 'placeholder']) {
        found.push(element.getAttribute(name) ?? '');
      }
    }
    return found;
  });
}

// Texts do not depend on the theme, so two of the four combinations suffice.
describe.each([
  ['en-US', 'light'],
  ['zh-CN', 'dark'],
] as const)('in %s and %s', (locale, colorScheme) => {
  test('axe finds no serious violation, and no text is in the other language', async () => {
    const page = await browser.open(stack.chatUrl, { locale, colorScheme });
    await page.evaluate(axe.source);
    expect(await page.evaluate(() => document.documentElement.lang)).toBe(
      locale === 'en-US' ? 'en' : 'zh-CN',
    );
    const foreign = new Set(locale === 'en-US' ? sentencesIn(zh, en) : sentencesIn(en, zh));
    for (const view of views) {
      await show(page, view);
      expect(await findFaults(page), view.name).toEqual([]);
      const left = (await textsOn(page)).filter((text) => foreign.has(text));
      expect(left, view.name).toEqual([]);
    }
  }, 60_000);
});

test('every text in zh.ts is Chinese', () => {
  const sentences = sentencesIn(zh, {});
  expect(sentences.length).toBeGreaterThan(90);
  const others = sentences.filter((text) => !/[\u4E00-\u9FFF]/.test(text));
  expect([...new Set(others)]).toEqual(['token']);
});

describe('a person', () => {
  // 320 pixels: a screen of 1280 with the page at 400 %.
  test('with a small screen or large zoom never scrolls sideways, and hits every button with a finger', async () => {
    const page = await browser.open(stack.chatUrl, {
      viewport: { width: 320, height: 740 },
      hasTouch: true,
      isMobile: true,
    });
    for (const view of views) {
      await show(page, view);
      const small = await page.evaluate(() =>
        [...document.querySelectorAll('button, .button, summary, .tabs a, .choices a')]
          .filter((element) => element.checkVisibility() && element.clientHeight < 40)
          .map((element) => `${element.clientHeight} px: ${element.outerHTML.slice(0, 120)}`),
      );
      expect(small, view.name).toEqual([]);
      const beyond = await page.evaluate(() => {
        const scrolls = (element: Element): boolean =>
          element.closest('pre, .wide, textarea, [aria-hidden]') !== null;
        return (
          [...document.querySelectorAll('#page *')]
            // A page that is too wide makes `innerWidth` larger.
            .filter((element) => element.getBoundingClientRect().right > screen.width + 1)
            .filter((element) => !scrolls(element))
            .map((element) => element.outerHTML.slice(0, 120))
        );
      });
      expect(beyond, view.name).toEqual([]);
      const tabs = page.getByRole('navigation', { name: 'Views' }).getByRole('link');
      const tops = await tabs.evaluateAll((all) => all.map((it) => it.getBoundingClientRect().top));
      expect(new Set(tops).size, view.name).toBe(1);
    }
  });

  test('with a keyboard reaches everything, with a visible focus', async () => {
    const page = await browser.open(stack.chatUrl, { hash: '#/alerts' });
    await page.locator('.alert').first().waitFor();
    await page.keyboard.press('Tab');
    expect(await page.evaluate(() => document.activeElement?.textContent)).toBe(
      'Skip to main content',
    );
    const reachable =
      'a[href], button:not(:disabled), input, summary, details[open] [tabindex="0"]';
    await page.locator('.rule').first().waitFor();
    const count = await page.locator(reachable).filter({ visible: true }).count();
    expect(count).toBeGreaterThan(8);
    for (let reached = 1; reached < count; reached += 1) {
      await page.keyboard.press('Tab');
      const seen = await page.evaluate(() => {
        const element = document.activeElement!;
        return { outline: getComputedStyle(element).outlineStyle, html: element.outerHTML };
      });
      expect(seen.outline, seen.html.slice(0, 120)).not.toBe('none');
    }
    expect(await page.evaluate(() => document.activeElement!.closest('.rule') !== null)).toBe(true);
  });

  test('chooses language and theme once', async () => {
    const page = await browser.open(stack.chatUrl, { hash: '#/traces' });
    await page.getByRole('button', { name: '中文' }).click();
    await page.getByRole('button', { name: '切换为：浅色' }).click();
    await page.getByRole('button', { name: '切换为：深色' }).click();
    await page.reload();
    await page.getByRole('heading', { name: '链路' }).waitFor();
    const { lang, theme, ground } = await page.evaluate(() => ({
      lang: document.documentElement.lang,
      theme: document.documentElement.dataset['theme'],
      ground: getComputedStyle(document.body).backgroundColor,
    }));
    expect({ lang, theme, ground }).toEqual({
      lang: 'zh-CN',
      theme: 'dark',
      ground: 'rgb(20, 22, 25)',
    });
  });
});
