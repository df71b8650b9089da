/** The chat of the console, in a real Chromium, against the real service. */
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../support/chat-service.ts';
import { useConsoleBrowser } from '../support/console-browser.ts';

const browser = useConsoleBrowser();
let service: ChatService;

beforeAll(async () => {
  service = await startChatService();
});
afterAll(() => service.stop());

async function ask(page: Page, question: string): Promise<void> {
  await page.getByLabel('Your question').fill(question);
  await page.getByRole('button', { name: 'Send' }).click();
}

describe('an answer', () => {
  test('is streamed, and told with what it cost', async () => {
    const page = await browser.open(service.url);
    await ask(page, 'Who are you?');
    const answer = page.getByRole('article', { name: 'Answer' });
    await answer.getByText('I am the demo model').waitFor();
    expect(await answer.getByRole('definition').count()).toBe(4);
  });
});
