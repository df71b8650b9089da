/** The console in front of another server: its header, and a question while that server is down. */
import { afterAll, beforeAll, expect, test } from 'vitest';
import { bundleDir } from '../../../src/console/server/page.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { answered, ask, button } from '../../support/console/chat.ts';
import { freePort } from '../../support/free-ports.ts';
import { startStandIn, streams, type StandIn } from '../../support/tap/stand-in.ts';
import { noTelemetry, startTapApp, type TapApp } from '../../support/tap/tap-app.ts';

const browser = useConsoleBrowser();
let port: number;
let tap: TapApp;
let server: StandIn | undefined;

beforeAll(async () => {
  port = await freePort();
  tap = await startTapApp(noTelemetry, { url: `http://127.0.0.1:${port}`, bundleDir });
});
afterAll(() => {
  tap.close();
  server?.close();
});

test('the header names the backend and tells that it does not answer, until it does', async () => {
  const page = await browser.open(tap.url, {
    expected: [/status of 502/],
    prepare: (prepared) => prepared.clock.install(),
  });
  const header = page.getByRole('group', { name: 'Service status' });
  await header.getByText('the backend does not answer').waitFor();
  await header.getByText(`backend 127.0.0.1:${port}`).waitFor();
  expect(await header.locator('.backend').getAttribute('title')).toBe('ECONNREFUSED');
  expect(await header.getByText(/queue|sequences/).count()).toBe(0);
  await ask(page, 'Are you there?');
  const refused = await answered(page);
  await refused.getByText('No answer. The server behind the service does not answer.').waitFor();

  server = await startStandIn(port);
  server.models = ['/models/qwen.gguf'];
  server.reply = { headers: { 'content-type': 'text/event-stream' }, body: streams.llamaServer };
  await expect
    .poll(
      async () => {
        await page.clock.fastForward(21_000);
        return await header.getByText('ready', { exact: true }).count();
      },
      { timeout: 10_000 },
    )
    .toBe(1);
  await header.getByText('qwen.gguf').waitFor();
  await button(page, 'Try again').click();
  const answer = await answered(page);
  await answer.getByText('Hello there.').waitFor();
  expect(JSON.parse(server.asked[0]!.body)).toMatchObject({ model: '/models/qwen.gguf' });
});
