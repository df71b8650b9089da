/** What the console's chat says and does when an answer is stopped, refused or broken by the real service. */
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
    CHAT_QUEUE_LIMIT: '0',
    CHAT_CONTEXT: '16384',
  });
});
afterAll(async () => {
  await service.stop();
  model.remove();
});

/** Asks for what takes many seconds, and holds the engine when the answer has begun. @returns how to let it go on. */
async function holdAnswer(page: Page): Promise<() => void> {
  await page.getByText('Settings').click();
  await page.getByLabel('Most tokens').fill('16000');
  await ask(page, 'Go on');
  await answers(page).last().getByText('On and on it goes.').waitFor();
  const pid = service.enginePid();
  process.kill(pid, 'SIGSTOP');
  expect(await answers(page).last().getAttribute('aria-busy')).toBe('true');
  return () => process.kill(pid, 'SIGCONT');
}

test('an answer grows while it is written', async () => {
  const page = await browser.open(service.url);
  const goOn = await holdAnswer(page);
  const said = await answers(page).innerText();
  goOn();
  await until(async () => (await answers(page).innerText()).length > 2 * said.length);
  expect(await answers(page).innerText()).toMatch(new RegExp(`^${said.trim()}`));
  await button(page, 'Stop').click();
});

describe('stopping', () => {
  test.each(['a click', 'Escape', 'Enter on the button'])(
    'by %s ends the generation in the service, and keeps what was said',
    async (how) => {
      const page = await browser.open(service.url);
      const before = (await service.sample(gone))!;
      const goOn = await holdAnswer(page);
      try {
        if (how === 'a click') await button(page, 'Stop').click();
        else if (how === 'Escape') await question(page).press('Escape');
        else await button(page, 'Stop').press('Enter');
        await until(async () => (await service.sample(gone)) === before + 1);
      } finally {
        goOn();
      }
      const answer = await answered(page);
      await answer.getByText('You stopped this answer.').waitFor();
      await answer.getByText('On and on it goes.').waitFor();
      // Whoever stops wants to ask something else.
      await question(page).and(page.locator(':focus')).waitFor();
      await until(async () => (await service.sample(active)) === 0);
    },
  );
});

test('a full queue is told of with the wait, after which the question can be asked again', async () => {
  const page = await browser.open(service.url, { expected: [/status of 429/] });
  const control = new AbortController();
  const running = fetch(`${service.url}/v1/chat/completions`, {
    method: 'POST',
    body: JSON.stringify({ messages: [{ role: 'user', content: 'hold' }], ...longAnswer }),
    signal: control.signal,
  }).catch(() => {});
  await until(async () => (await service.sample(active)) === 1);
  await page.getByText('Settings').click();
  await page.getByLabel('Most tokens').fill('5');
  await ask(page, 'Is there room?');
  const answer = await answered(page);
  await answer.getByText('There is no answer. Too many people wait already.').waitFor();
  expect(await button(page, /^Try again in \d+ s$/).isDisabled()).toBe(true);
  control.abort();
  await running;
  await page.getByRole('button', { name: 'Try again', exact: true, disabled: false }).click();
  await answers(page).last().getByText('On and on').waitFor();
  expect(await answers(page).count()).toBe(1);
});

test('an answer whose page is closed is ended in the service, and what was said is kept', async () => {
  const page = await browser.open(service.url);
  const before = (await service.sample(gone))!;
  const goOn = await holdAnswer(page);
  await page.reload();
  await until(async () => (await service.sample(gone)) === before + 1);
  goOn();
  const answer = await answered(page);
  await answer.getByText('This answer broke off. The page was closed before the end.').waitFor();
  await answer.getByText('On and on it goes.').waitFor();
});

describe('when the engine dies', () => {
  test('the answer that it was writing is marked as broken, also after a reload', async () => {
    const page = await browser.open(service.url);
    await holdAnswer(page);
    process.kill(service.enginePid(), 'SIGKILL');
    const broken = async (): Promise<void> => {
      const answer = await answered(page);
      await answer.getByText('This answer broke off. The engine ended in the middle').waitFor();
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

  test('a question is refused until there is another, and the page says so', async () => {
    const page = await browser.open(service.url, { expected: [/status of 503/] });
    renameSync(model.file, `${model.file}.away`);
    try {
      process.kill(service.enginePid(), 'SIGKILL');
      await until(async () => !(await fetch(`${service.url}/readyz`)).ok);
      await ask(page, 'Are you there?');
      const answer = await answered(page);
      await answer.getByText('There is no answer. The model is not ready yet.').waitFor();
      expect(await button(page, /^Try again in \d s$/).isDisabled()).toBe(true);
      await page.reload();
      await page.getByText('engine restarts').waitFor();
    } finally {
      renameSync(`${model.file}.away`, model.file);
    }
    await page.getByText('ready', { exact: true }).waitFor();
    await button(page, 'Try again').click();
    await answers(page).last().getByText('On and on').waitFor();
    expect(await answers(page).count()).toBe(1);
  });
});
