/** The console's chat in a real Chromium, against the real service with the demo model. */
import { beforeAll, describe, expect, test } from 'vitest';
import { shared } from '../../support/shared.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import {
  answered,
  answers,
  ask,
  button,
  factsOf,
  nextRequest,
  question,
} from '../../support/console/chat.ts';

const browser = useConsoleBrowser();
let service: { url: string };

beforeAll(async () => {
  service = await shared('chat');
});

describe('an answer', () => {
  test('shows its token usage and timings', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'Who are you?');
    const answer = await answered(page);
    expect(await answer.innerText()).toContain('I am the demo model built into llamascope');
    expect(await factsOf(answer)).toEqual({
      tokens: expect.stringMatching(/^\d+$/),
      speed: expect.stringMatching(/^[\d,.]+\/s$/),
      'first token': expect.stringMatching(/^[\d.]+ m?s$/),
      cached: expect.stringMatching(/^\d+\/\d+$/),
    });
  });

  test('shows its waterfall on a click', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'Where does the time go?');
    const answer = await answered(page);
    await answer.getByRole('button', { name: 'Show where the time went' }).click();
    const decode = answer.getByRole('button', { name: /^decode/ });
    await decode.waitFor();
    for (const phase of ['tokenize', 'queue', 'prefill']) {
      expect(await answer.getByRole('button', { name: new RegExp(`^${phase}`) }).count()).toBe(1);
    }
    await answer.getByRole('link', { name: 'Full trace and curl command' }).click();
    await page.waitForURL(/#\/traces\/[0-9a-f]{32}$/);
    await page.getByRole('link', { name: 'Open conversation' }).click();
    await answer.waitFor();
  });

  test('is generated again in its place', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'One');
    await answered(page);
    await ask(page, 'Two');
    const first = (await answered(page)).getByRole('button', { name: 'Try again' });
    const request = nextRequest(page);
    await first.click();
    expect((await request)['messages']).toEqual([
      { role: 'user', content: 'One' },
      { role: 'assistant', content: expect.stringContaining('demo model') },
      { role: 'user', content: 'Two' },
    ]);
    await answered(page);
    expect(await answers(page).count()).toBe(2);
    expect(await button(page, 'Try again').count()).toBe(1);
  });

  test('uses system prompt, temperature and max tokens, which a conversation stores', async () => {
    const page = await browser.open(service.url);
    await page.getByText('Settings').click();
    await page.getByLabel('System prompt').fill('Be brief.');
    await page.getByRole('slider', { name: 'Temperature' }).fill('0.2');
    await page.getByLabel('Max tokens').fill('3');
    const request = nextRequest(page);
    await ask(page, 'Hello');
    expect(await request).toMatchObject({
      temperature: 0.2,
      max_tokens: 3,
      messages: [
        { role: 'system', content: 'Be brief.' },
        { role: 'user', content: 'Hello' },
      ],
    });
    const answer = await answered(page);
    expect((await factsOf(answer))['tokens']).toBe('3');
    await answer.getByText('Truncated at max tokens').waitFor();
    await page.reload();
    await page.getByText('Temperature 0.2 · Max tokens 3 · System prompt').waitFor();
    await page.getByRole('link', { name: 'New conversation' }).click();
    await page.getByText('Temperature 0.7 · Max tokens 512').waitFor();
  });
});

test('conversations survive a reload and can be deleted', async () => {
  const page = await browser.open(service.url);
  const list = page.getByRole('navigation', { name: 'Conversations' });
  for (const text of ['About rivers', 'About mountains']) {
    await ask(page, text);
    await answered(page);
    await list.getByRole('link', { name: 'New conversation' }).click();
  }
  await page.reload();
  expect(await list.getByRole('listitem').getByRole('link').allInnerTexts()).toEqual([
    'About mountains',
    'About rivers',
  ]);
  await list.getByRole('link', { name: 'About rivers' }).click();
  await page.getByRole('article', { name: 'You' }).getByText('About rivers').waitFor();
  expect(await (await answered(page)).innerText()).toContain('demo model');
  await list.getByRole('button', { name: 'Delete “About rivers”' }).click();
  await page.getByRole('heading', { name: 'Ask the model something' }).waitFor();
  await page.reload();
  await list.getByRole('link', { name: 'About mountains' }).waitFor();
  expect(await list.getByRole('listitem').count()).toBe(1);
  await list.getByRole('button', { name: 'Delete “About mountains”' }).press('Enter');
  await list.getByRole('link', { name: 'New conversation' }).and(page.locator(':focus')).waitFor();
});

test('a notice about the demo model has the command for a real one', async () => {
  const page = await browser.open(service.url, {
    permissions: ['clipboard-read', 'clipboard-write'],
  });
  const notice = page.getByRole('complementary', { name: 'The built-in demo model is in use.' });
  await notice.getByText('make model && make up').waitFor();
  await notice.getByRole('button', { name: 'Copy' }).click();
  await notice.getByRole('button', { name: 'Copied' }).waitFor();
  expect(await page.evaluate(() => navigator.clipboard.readText())).toBe('make model && make up');
});

describe('with the keyboard only', () => {
  test('a question can be asked and its waterfall opened', async () => {
    const page = await browser.open(service.url);
    await question(page).and(page.locator(':focus')).waitFor();
    await page.keyboard.type('Line one');
    await page.keyboard.press('Shift+Enter');
    await page.keyboard.type('line two');
    const request = nextRequest(page);
    await page.keyboard.press('Enter');
    expect((await request)['messages']).toEqual([{ role: 'user', content: 'Line one\nline two' }]);
    const answer = await answered(page);
    for (const name of ['Settings', 'Try again', 'Copy', 'Show where the time went']) {
      await page.keyboard.press('Shift+Tab');
      expect(await page.locator(':focus').evaluate(nameOf)).toContain(name);
    }
    await page.keyboard.press('Enter');
    await answer.getByRole('button', { name: /^decode/ }).waitFor();
  });

  test('every control is reached, with a visible focus, and left again', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'Hello');
    await answered(page);
    const reached: string[] = [];
    for (let steps = 0; steps < 60; steps++) {
      await page.keyboard.press('Tab');
      const focused = page.locator(':focus');
      if ((await focused.count()) === 0) continue;
      const { name, outline } = await focused.evaluate((element) => ({
        name: element.ariaLabel ?? element.textContent.trim(),
        outline: getComputedStyle(element).outlineStyle,
      }));
      if (name === reached[0]) break;
      reached.push(name);
      expect(outline, name).not.toBe('none');
    }
    for (const name of ['Skip to main content', 'Chat', 'Traces', 'Live', 'Alerts', '中文', 'Copy'])
      expect(reached).toContain(name);
    for (const name of ['+ New conversation', 'Hello', 'Delete “Hello”', 'Your question'])
      expect(reached).toContain(name);
  });
});

function nameOf(element: Element): string {
  return element.ariaLabel ?? element.textContent.trim();
}
