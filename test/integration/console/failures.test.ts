/** The console's chat when an answer of the real service is stopped, refused or interrupted. */
import { renameSync } from 'node:fs';
import type { Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { longAnswer, startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import {
  answered,
  answers,
  ask,
  button,
  conversationList,
  factsOf,
  question,
  writeModel,
} from '../../support/console/chat.ts';

const gone = 'inference_requests_total{outcome="cancelled",reason="client_gone"}';
const active = 'inference_sequences_active';
const browser = useConsoleBrowser();
let model: ReturnType<typeof writeModel>;
let service: ChatService;

beforeAll(async () => {
  model = writeModel('On and on it goes. ', { loop: true });
  service = await startChatService({
    CHAT_MODEL: model.file,
    CHAT_SEQUENCES: '1',
    CHAT_QUEUE_LIMIT: '1',
    CHAT_CONTEXT: '16384',
  });
});
afterAll(async () => {
  await service.stop();
  model.remove();
});

/** Starts a long answer and suspends the engine after its first tokens. @returns a function that resumes the engine */
async function holdAnswer(page: Page): Promise<() => void> {
  await page.getByText('Settings').click();
  await page.getByLabel('Max tokens').fill('16000');
  await ask(page, 'Go on');
  await answers(page).last().getByText('On and on it goes.').waitFor();
  const pid = service.enginePid();
  process.kill(pid, 'SIGSTOP');
  expect(await answers(page).last().getAttribute('aria-busy')).toBe('true');
  return () => process.kill(pid, 'SIGCONT');
}

test('an answer grows while it is generated', async () => {
  const page = await browser.open(service.url);
  const resume = await holdAnswer(page);
  const said = await answers(page).innerText();
  resume();
  await until(async () => (await answers(page).innerText()).length > 2 * said.length);
  expect(await answers(page).innerText()).toMatch(new RegExp(`^${said.trim()}`));
  await button(page, 'Stop').click();
});

describe('stopping', () => {
  test.each(['a click', 'Escape', 'Enter on the button'])(
    'by %s cancels the generation in the service, keeps the text, and shows its numbers',
    async (how) => {
      // The trace is asked for before it is there.
      const page = await browser.open(service.url, { expected: [/status of 404/] });
      const before = (await service.sample(gone))!;
      const resume = await holdAnswer(page);
      try {
        if (how === 'a click') await button(page, 'Stop').click();
        else if (how === 'Escape') await question(page).press('Escape');
        else await button(page, 'Stop').press('Enter');
        await until(async () => (await service.sample(gone)) === before + 1);
      } finally {
        resume();
      }
      const answer = await answered(page);
      await answer.getByText('You stopped this answer.').waitFor();
      await answer.getByText('On and on it goes.').waitFor();
      // The next question can be typed at once.
      await question(page).and(page.locator(':focus')).waitFor();
      await until(async () => (await service.sample(active)) === 0);
      await answer.getByText('cached').waitFor();
      expect(await factsOf(answer)).toEqual({
        tokens: expect.stringMatching(/^\d+$/),
        speed: expect.stringMatching(/^[\d.]+k?\/s$/),
        'first token': expect.stringMatching(/^[\d.]+ m?s$/),
        cached: expect.stringMatching(/^\d+\/\d+$/),
      });
    },
  );

  test('by deleting the conversation cancels the generation too, and Undo brings its text back', async () => {
    const page = await browser.open(service.url, { expected: [/status of 404/] });
    const before = (await service.sample(gone))!;
    const resume = await holdAnswer(page);
    try {
      await conversationList(page).getByRole('button', { name: 'Delete “Go on”' }).click();
      await until(async () => (await service.sample(gone)) === before + 1);
    } finally {
      resume();
    }
    await button(page, 'Undo').click();
    const answer = await answered(page);
    await answer.getByText('You stopped this answer.').waitFor();
    await answer.getByText('On and on it goes.').waitFor();
    await until(async () => (await service.sample(active)) === 0);
  });
});

test('the place in the queue is shown, and a full queue with the wait until a retry', async () => {
  const page = await browser.open(service.url, { expected: [/status of 429/] });
  const control = new AbortController();
  const running = fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hold' }], ...longAnswer }),
    signal: control.signal,
  }).catch(() => {});
  await until(async () => (await service.sample(active)) === 1);
  await page.getByText('Settings').click();
  await page.getByLabel('Max tokens').fill('5');
  await ask(page, 'When is it my turn?');
  await answers(page).getByText('In the queue, you are next').waitFor();
  const other = await page.context().newPage();
  await other.goto(service.url);
  await ask(other, 'Is there room?');
  const answer = await answered(other);
  await answer.getByText('No answer. The queue is full.').waitFor();
  expect(await button(other, /^Try again in \d+ s$/).isDisabled()).toBe(true);
  control.abort();
  await running;
  await other.getByRole('button', { name: 'Try again', exact: true, disabled: false }).click();
  for (const each of [page, other]) {
    await answers(each).last().getByText('On and on').waitFor();
    expect(await answers(each).count()).toBe(1);
  }
});

test('an answer whose page is closed is cancelled in the service, and its text is kept', async () => {
  const page = await browser.open(service.url, { expected: [/status of 404/] });
  const before = (await service.sample(gone))!;
  const resume = await holdAnswer(page);
  // Text is stored within a second. A page that closes earlier may lose what came since.
  await page.waitForTimeout(1500);
  await page.reload();
  await until(async () => (await service.sample(gone)) === before + 1);
  resume();
  const answer = await answered(page);
  await answer.getByText('The answer was interrupted. The page was closed.').waitFor();
  await answer.getByText('On and on it goes.').waitFor();
});

describe('when the engine dies', () => {
  test('the running answer is marked as interrupted, also after a reload', async () => {
    const page = await browser.open(service.url, { expected: [/status of 404/] });
    await holdAnswer(page);
    process.kill(service.enginePid(), 'SIGKILL');
    const broken = async (): Promise<void> => {
      const answer = await answered(page);
      await answer.getByText('The answer was interrupted. The engine exited').waitFor();
      await answer.getByText('On and on it goes.').waitFor();
    };
    await broken();
    await page.reload();
    await broken();
    await until(async () => (await fetch(`${service.url}/readyz`)).ok);
    await button(page, 'Try again').click();
    await question(page).and(page.locator(':focus')).waitFor();
    await page.locator('.streaming, .done').getByText('On and on it goes.').waitFor();
    expect(await answers(page).count()).toBe(1);
  });

  test('a question is refused until the engine is back, and the page says so', async () => {
    const page = await browser.open(service.url, { expected: [/status of 503/] });
    renameSync(model.file, `${model.file}.away`);
    try {
      process.kill(service.enginePid(), 'SIGKILL');
      await until(async () => !(await fetch(`${service.url}/readyz`)).ok);
      await ask(page, 'Are you there?');
      const answer = await answered(page);
      await answer.getByText('No answer. The model is not ready yet.').waitFor();
      expect(await button(page, /^Try again in \d s$/).isDisabled()).toBe(true);
      await page.reload();
      const state = page.getByText('engine restarting');
      await state.waitFor();
      const dot = (await state.locator('.dot').boundingBox())!;
      expect(dot.width).toBeCloseTo(dot.height, 1);
    } finally {
      renameSync(`${model.file}.away`, model.file);
    }
    await page.getByText('ready', { exact: true }).waitFor();
    await button(page, 'Try again').click();
    await answers(page).last().getByText('On and on').waitFor();
    expect(await answers(page).count()).toBe(1);
  });
});
