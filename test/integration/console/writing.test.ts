/** The console's chat while something is written: drafts, settings, keys, a running answer; and what is printed of it. */
import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test } from 'vitest';
import { shared } from '../../support/shared.ts';
import { until } from '../../support/until.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import {
  answered,
  answers,
  ask,
  button,
  conversationList as list,
  factsOf,
  question,
  storeAsBefore,
} from '../../support/console/chat.ts';
import { scriptAnswers, type Script } from '../../support/console/scripted-answer.ts';

const browser = useConsoleBrowser();
let service: { url: string };
let script: Script | undefined;

beforeAll(async () => {
  service = await shared('chat');
});
afterEach(() => {
  script?.stop();
  script = undefined;
});

/** A page whose answers the test writes. */
async function openScripted(): Promise<{ page: Page; script: Script }> {
  const page = await browser.open(service.url, { expected: [/status of 404/] });
  script = await scriptAnswers(page.context());
  return { page, script };
}

describe('what is not sent', () => {
  test('is kept for each conversation, over other views and a reload', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'About rivers');
    await answered(page);
    await question(page).fill('And how long is the Nile?');
    await list(page).getByRole('link', { name: 'New conversation' }).click();
    await page.getByText('Settings').click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await question(page).fill('Something new');
    await page.getByRole('link', { name: 'Traces' }).click();
    await page.getByRole('link', { name: 'Chat', exact: true }).click();
    expect(await question(page).inputValue()).toBe('Something new');
    await page.reload();
    await page.getByText('Temperature 0.7 · Max tokens 512 · System prompt').waitFor();
    expect(await question(page).inputValue()).toBe('Something new');
    await list(page).getByRole('link', { name: 'About rivers' }).click();
    await until(async () => (await question(page).inputValue()) === 'And how long is the Nile?');
    // A sent question leaves nothing behind.
    await button(page, 'Send').click();
    await answered(page);
    await page.reload();
    await answered(page);
    expect(await question(page).inputValue()).toBe('');
  });

  test('the field grows with a long paragraph, to eight lines', async () => {
    const page = await browser.open(service.url);
    const height = async (): Promise<number> => (await question(page).boundingBox())!.height;
    const line = await height();
    await question(page).fill('word '.repeat(20_000));
    expect(await height()).toBeGreaterThan(4 * line);
    expect(await height()).toBeLessThan(8 * line);
  });

  test('settings are checked where they are written, and send nothing', async () => {
    const page = await browser.open(service.url);
    await question(page).fill('Hello');
    await page.getByText('Settings').click();
    const field = page.getByLabel('Max tokens');
    await field.fill('99999999');
    await page
      .getByText(/^Enter a whole number from 1 to \d+. Until then, 512 is used.$/)
      .waitFor();
    await field.press('Enter');
    await page.getByText('Settings').click();
    expect(await page.getByRole('article').count()).toBe(0);
    const request = page.waitForRequest('**/v1/chat/completions');
    await button(page, 'Send').click();
    expect((await request).postDataJSON()).toMatchObject({ max_tokens: 512 });
    // By it a proxy in front of replicas returns the conversation to the replica with its prefix.
    expect((await request).headers()['x-conversation-id']).toMatch(/^[\w-]{8,}$/);
    await answered(page);
  });

  test("the keys of an input method are not the page's, in Safari too", async () => {
    const { page, script } = await openScripted();
    const press = (key: string): Promise<void> =>
      question(page).evaluate((field, key) => {
        const options = { key, keyCode: 229, bubbles: true, cancelable: true };
        field.dispatchEvent(new KeyboardEvent('keydown', options));
      }, key);
    await question(page).fill('nihao');
    await press('Enter');
    expect(await question(page).inputValue()).toBe('nihao');
    await question(page).press('Enter');
    const answer = await script.next();
    answer.write('Ni hao');
    await answers(page).getByText('Ni hao').waitFor();
    await press('Escape');
    answer.end();
    expect(await (await answered(page)).getAttribute('class')).toContain('done');
  });
});

describe('a running answer', () => {
  const paragraph = 'A line of an answer that is long enough.\n\n'.repeat(40);

  test('tells its place in the queue, then how much of the prompt is read', async () => {
    const { page, script } = await openScripted();
    await ask(page, 'Hello');
    const answer = await script.next();
    await page.getByText('Waiting for the first token…').waitFor();
    answer.comment('queued {"position":34,"seconds":40}');
    await page.getByText('In the queue, 33 before you, about 40 s').waitFor();
    answer.comment('queued {"position":1}');
    await page.getByText('In the queue, you are next', { exact: true }).waitFor();
    answer.comment('prefill {"evaluated":540,"tokens":900}');
    await page.getByText('Reading the prompt, 60%').waitFor();
    answer.write('Now');
    await answers(page).getByText('Now').waitFor();
    expect(await page.getByText('Reading the prompt').count()).toBe(0);
    // The connection is lost: the numbers are those that the page has seen.
    answer.end('cut');
    expect(await factsOf(await answered(page))).toMatchObject({ tokens: '1' });
  });

  test('stays where the reader scrolls, and follows again from the end', async () => {
    const { page, script } = await openScripted();
    const messages = page.locator('.messages');
    const gap = (): Promise<number> =>
      messages.evaluate((each) => each.scrollHeight - each.scrollTop - each.clientHeight);
    await ask(page, 'Hello');
    const answer = await script.next();
    answer.write(paragraph);
    await until(async () => (await messages.evaluate((each) => each.scrollTop)) > 500);
    expect(await gap()).toBeLessThan(2);
    const grow = async (): Promise<void> => {
      const before = await messages.evaluate((each) => each.scrollHeight);
      answer.write(paragraph);
      await until(async () => (await messages.evaluate((each) => each.scrollHeight)) > before);
    };
    for (const moveUp of [
      () => page.mouse.wheel(0, -60),
      () => page.keyboard.press('ArrowUp'),
      // A finger or a scrollbar: nothing but the scroll event.
      () => messages.evaluate((each) => void (each.scrollTop -= 30)),
    ]) {
      await messages.hover();
      await messages.focus();
      await moveUp();
      await until(async () => (await gap()) > 10);
      await grow();
      expect(await gap()).toBeGreaterThan(500);
      await messages.evaluate((each) => void (each.scrollTop = each.scrollHeight));
      await grow();
      await until(async () => (await gap()) < 2);
    }
    await messages.evaluate((each) => void (each.scrollTop = 0));
    answer.end();
    await answered(page);
    await ask(page, 'My second question');
    await until(async () => (await gap()) < 2);
    (await script.next()).end();
  });

  test('costs the same however many conversations there are', async () => {
    const { page, script } = await openScripted();
    await storeAsBefore(page, 90, 50_000);
    await page.reload();
    await list(page).getByRole('link', { name: 'Old question 89' }).waitFor();
    await ask(page, 'Hello');
    const answer = await script.next();
    answer.write('Piece ');
    await answers(page).getByText('Piece').waitFor();
    await page.evaluate(() => {
      const counts = globalThis as unknown as { titlesMade: number };
      counts.titlesMade = 0;
      // oxlint-disable-next-line no-extend-native -- counts the titles: nothing else calls it
      Object.defineProperty(String.prototype, 'toWellFormed', {
        value(this: string) {
          counts.titlesMade += 1;
          return this.trim();
        },
      });
    });
    for (let piece = 0; piece < 20; piece += 1) {
      answer.write(`piece-${piece} `);
      await answers(page).getByText(`piece-${piece} `).waitFor();
    }
    answer.end();
    await answered(page);
    expect(
      await page.evaluate(() => (globalThis as unknown as { titlesMade: number }).titlesMade),
    ).toBeLessThan(90);
  });
});

test('a printed conversation is whole', async () => {
  const { page, script } = await openScripted();
  await ask(page, 'Hello');
  const answer = await script.next();
  answer.write('A line of an answer that is long enough.\n\n'.repeat(60) + 'The end.');
  answer.end();
  await answered(page);
  await page.emulateMedia({ media: 'print' });
  const printed = await page.evaluate(() => {
    const last = document.querySelector('.turn.answer')!.getBoundingClientRect();
    const shown = (selector: string): boolean =>
      document.querySelector(selector)!.checkVisibility();
    return {
      isWhole: document.documentElement.scrollHeight >= last.bottom && last.top > 0,
      height: document.documentElement.scrollHeight - last.bottom < 200,
      others: ['.tabs', '.conversations', '.composer', '.notice'].filter(shown),
      scrolls: document.querySelector('.messages')!.clientHeight < last.height,
    };
  });
  expect(printed).toEqual({ isWhole: true, height: true, others: [], scrolls: false });
});
