/** Actions in the console's chat, with elements found by their accessible names. Used by the console's tests. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import type { Locator, Page } from 'playwright-core';
import { makeGguf } from '../models/make-gguf.ts';

export function question(page: Page): Locator {
  return page.getByLabel('Your question');
}

export function button(page: Page, name: string | RegExp): Locator {
  return page.getByRole('button', { name });
}

export async function ask(page: Page, text: string): Promise<void> {
  await question(page).fill(text);
  await button(page, 'Send').click();
}

export function answers(page: Page): Locator {
  return page.getByRole('article', { name: 'Answer' });
}

/** The last answer, after it has ended. */
export async function answered(page: Page): Promise<Locator> {
  const last = answers(page).last();
  await last.and(page.locator('[aria-busy=false]')).waitFor();
  return last;
}

/** Usage and timings of an answer, by name: tokens, speed. */
export async function factsOf(answer: Locator): Promise<Record<string, string>> {
  const names = await answer.getByRole('term').allInnerTexts();
  const values = await answer.getByRole('definition').allInnerTexts();
  return Object.fromEntries(names.map((name, index) => [name, values[index]!]));
}

/** The body of the next chat request. */
export async function nextRequest(page: Page): Promise<Record<string, unknown>> {
  const request = await page.waitForRequest('**/v1/chat/completions');
  return request.postDataJSON() as Record<string, unknown>;
}

export function conversationList(page: Page): Locator {
  return page.getByRole('navigation', { name: 'Conversations' });
}

/** Conversations as an older version of the page stored them, and a value that is none. */
export function storeAsBefore(page: Page, count: number, characters: number): Promise<void> {
  return page.evaluate(
    ([count, characters]) => {
      for (let index = 0; index < count; index += 1) {
        const settings = { system: '', temperature: 0.3, maxTokens: 99 };
        const turns = [
          { role: 'user', text: `Old question ${index} ${'x'.repeat(characters)}` },
          { role: 'assistant', text: 'Half an', state: 'streaming', endedAt: 0 },
        ];
        const conversation = { id: `old-${index}`, updatedAt: 1000 + index, settings, turns };
        localStorage[`llamascope.conversation.old-${index}`] = JSON.stringify(conversation);
      }
      localStorage['llamascope.conversation.damaged'] = '{"id":';
    },
    [count, characters] as const,
  );
}

/** A model that always answers `say`. */
export function writeModel(
  say: string,
  options: { name?: string; loop?: boolean } = {},
): { file: string; remove: () => void } {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope console-'));
  const { name = 'says', loop = false } = options;
  const file = path.join(folder, `${name}.gguf`);
  makeGguf({ shape: 'tiny', quant: 'q8_0', say, loop, out: file });
  return { file, remove: () => rmSync(folder, { recursive: true }) };
}
