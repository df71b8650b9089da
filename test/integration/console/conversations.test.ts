/** The console's conversations lose nothing: storage, migration, tabs; search, rename, delete, export and import. */
import { readFile, writeFile } from 'node:fs/promises';
import path from 'node:path';
import { tmpdir } from 'node:os';
import type { Page } from 'playwright-core';
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { shared } from '../../support/shared.ts';
import { until } from '../../support/until.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import {
  answered,
  answers,
  ask,
  button,
  conversationList as list,
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

function titles(page: Page): Promise<string[]> {
  return list(page).getByRole('listitem').getByRole('link').allInnerTexts();
}

/** The list changes a moment after what changes it. */
async function expectTitles(page: Page, expected: readonly string[]): Promise<void> {
  await vi.waitFor(async () => expect(await titles(page)).toEqual(expected), { timeout: 10_000 });
}

function countStored(page: Page): Promise<number> {
  return page.evaluate(
    () =>
      new Promise((resolve) => {
        indexedDB.open('llamascope').onsuccess = ({ target }) => {
          const { result } = target as IDBOpenDBRequest;
          const count = result.transaction('summaries').objectStore('summaries').count();
          count.onsuccess = () => {
            result.close();
            resolve(count.result);
          };
        };
      }),
  );
}

/** Uses up the room of the origin, to the last bytes. At random, because Chromium compresses what it stores. */
function fillOrigin(page: Page): Promise<void> {
  return page.evaluate(async () => {
    const opening = indexedDB.open('filler');
    opening.onupgradeneeded = () =>
      opening.result.createObjectStore('all', { autoIncrement: true });
    await new Promise((resolve) => void (opening.onsuccess = resolve));
    const isWritten = (bytes: number): Promise<boolean> =>
      new Promise((resolve) => {
        const transaction = opening.result.transaction('all', 'readwrite');
        transaction.objectStore('all').add(crypto.getRandomValues(new Uint8Array(bytes)));
        transaction.addEventListener('complete', () => resolve(true));
        transaction.addEventListener('abort', () => resolve(false));
      });
    for (let bytes = 65_536; bytes >= 64;) {
      if (!(await isWritten(bytes))) bytes /= 2;
    }
    opening.result.close();
  });
}

describe('stored conversations', () => {
  test('of the older localStorage are moved, once and complete', async () => {
    const page = await browser.open(service.url);
    await storeAsBefore(page, 3, 0);
    await page.reload();
    await list(page).getByRole('link', { name: 'Old question 1' }).click();
    await page.getByText('Temperature 0.3 · Max tokens 99').waitFor();
    const answer = await answered(page);
    expect(await answer.innerText()).toContain('The answer was interrupted. The page was closed.');
    expect(await page.evaluate(() => Object.keys(localStorage))).toEqual([
      'llamascope.conversation.damaged',
    ]);
    await page.reload();
    await answer.waitFor();
    await expectTitles(page, ['Old question 2', 'Old question 1', 'Old question 0']);
  });

  test('stay when another finds no room, and the page says which is not stored', async () => {
    const { page, script } = await openScripted();
    const devtools = await page.context().newCDPSession(page);
    const origin = service.url;
    await devtools.send('Storage.overrideQuotaForOrigin', { origin, quotaSize: 1_000_000 });
    await storeAsBefore(page, 3, 0);
    await page.reload();
    await list(page).getByRole('link', { name: 'Old question 2' }).waitFor();
    await fillOrigin(page);
    await ask(page, 'One too many');
    (await script.next()).end();
    await page.getByRole('alert').filter({ hasText: 'This conversation is not stored' }).waitFor();
    const other = await page.context().newPage();
    await other.goto(service.url);
    await expectTitles(other, ['Old question 2', 'Old question 1', 'Old question 0']);
    // With room again, the next change stores the conversation whole.
    await devtools.send('Storage.overrideQuotaForOrigin', { origin });
    await ask(page, 'Another');
    (await script.next()).end();
    await list(other).getByRole('link', { name: 'One too many' }).click();
    await other.getByRole('article', { name: 'You' }).getByText('Another').waitFor();
    expect(await page.getByText('This conversation is not stored').count()).toBe(0);
  });

  test('have a bound, with a warning before it', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'Hello');
    await answered(page);
    await page.evaluate(
      () =>
        new Promise((resolve) => {
          indexedDB.open('llamascope').onsuccess = ({ target }) => {
            const { result } = target as IDBOpenDBRequest;
            const transaction = result.transaction('summaries', 'readwrite');
            const summary = { id: 'big', title: 'Big', updatedAt: 1, traceIds: [] };
            transaction.objectStore('summaries').put({ ...summary, characters: 45_000_000 });
            transaction.oncomplete = resolve;
          };
        }),
    );
    await page.reload();
    const notice = page.getByText('The room for conversations is 90% full.');
    expect(await notice.getAttribute('role')).toBe('status');
  });

  test('can be found, renamed, deleted, brought back, exported and imported', async () => {
    const page = await browser.open(service.url, {
      viewport: { width: 1280, height: 800 },
      hasTouch: true,
    });
    for (const text of ['About rivers', 'About mountains']) {
      await ask(page, text);
      await answered(page);
      await list(page).getByRole('link', { name: 'New conversation' }).click();
    }
    const search = list(page).getByRole('searchbox', { name: 'Search conversations' });
    await search.fill('DEMO MODEL');
    await until(async () => (await titles(page)).length === 2);
    await search.fill('river');
    await expectTitles(page, ['About rivers']);
    await search.fill('');

    await list(page).getByRole('link', { name: 'About rivers' }).click();
    await list(page).getByRole('button', { name: 'Rename “About rivers”' }).click();
    await list(page).getByRole('textbox', { name: 'Rename' }).fill('Water');
    await page.keyboard.press('Enter');
    await list(page)
      .getByRole('button', { name: 'Rename “Water”' })
      .and(page.locator(':focus'))
      .waitFor();
    await page.waitForFunction(() => document.title === 'Water · llamascope');
    await expectTitles(page, ['About mountains', 'Water']);

    const saved = page.waitForEvent('download');
    await button(page, 'Export all').click();
    const file = path.join(tmpdir(), `llamascope-${process.pid}-export.json`);
    await (await saved).saveAs(file);

    const mark = list(page).getByRole('button', { name: 'Delete “Water”' });
    await mark.tap();
    await expectTitles(page, ['About mountains']);
    await list(page).getByText('Deleted: “Water”').waitFor();
    await button(page, 'Undo').tap();
    await page.getByRole('article', { name: 'You' }).getByText('About rivers').waitFor();
    await mark.tap();
    await until(async () => (await countStored(page)) === 1);
    await page.reload();
    await list(page).getByRole('link', { name: 'About mountains' }).waitFor();
    await expectTitles(page, ['About mountains']);

    const chooser = list(page).locator('input[type=file]');
    await chooser.setInputFiles(file);
    await page.getByText('Imported 1 of 2 conversations; the others were already here.').waitFor();
    await list(page).getByRole('link', { name: 'Water' }).click();
    expect(await (await answered(page)).innerText()).toContain('demo model');
    await writeFile(file, (await readFile(file, 'utf8')).replace('"turns"', '"turn"'));
    await chooser.setInputFiles(file);
    await page.getByText('This file is not an export of conversations.').waitFor();
  });
});

test('on a touch screen the marks beside a title are visible', async () => {
  const page = await browser.open(service.url, { hasTouch: true, isMobile: true });
  await ask(page, 'Hello');
  await answered(page);
  const mark = list(page).getByRole('button', { name: 'Delete “Hello”' });
  expect(await mark.evaluate((element) => getComputedStyle(element.parentElement!).opacity)).toBe(
    '1',
  );
});

describe('two tabs', () => {
  test('of one conversation lose no turn, show one answer, and can both stop it', async () => {
    const { page, script } = await openScripted();
    await ask(page, 'First');
    const first = await script.next();
    first.write('So far ');
    await answers(page).getByText('So far').waitFor();
    const other = await page.context().newPage();
    await other.goto(page.url());
    await other.getByText('This answer is being written in another tab.').waitFor();
    first.write('so good');
    await answers(other).getByText('So far so good').waitFor();
    await button(other, 'Stop').click();
    await first.closed;
    for (const each of [page, other]) await each.getByText('You stopped this answer.').waitFor();

    await question(page).fill('From one tab');
    await question(other).fill('From the other');
    // A tab that hears of the other's question before its own click cannot send until that is answered.
    const sent = Promise.all([button(page, 'Send').click(), button(other, 'Send').click()]);
    for (const answer of [script.next(), script.next()]) {
      (await answer).write('Yes');
      (await answer).end();
    }
    await sent;
    for (const each of [page, other]) {
      await until(async () => (await each.locator('.turn.done').count()) === 2);
      await each.reload();
      await answered(each);
      const questions = await each.getByRole('article', { name: 'You' }).allInnerTexts();
      expect(questions.toSorted()).toEqual(['First', 'From one tab', 'From the other']);
    }
  });

  test('an answer whose tab was closed is shown as interrupted', async () => {
    const { page, script } = await openScripted();
    await ask(page, 'First');
    (await script.next()).write('Half of it');
    await answers(page).getByText('Half of it').waitFor();
    const other = await page.context().newPage();
    const url = page.url();
    await page.close();
    await other.goto(url);
    await other.getByText('The answer was interrupted. The page was closed.').waitFor();
    expect(await answers(other).innerText()).toContain('Half of it');
  });
});
