/** `make notify-test` with the real notifier and a robot. Its other answers are in test/unit/alerting/notify-test.test.ts. */
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { runProgram } from '../../../stack/program.ts';
import { startDingTalkRobot } from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { startNotifier } from '../../support/alerting/notifier.ts';

test('the running notifier sends the message: exit code 0; it is listed; after that nothing is sent', async () => {
  const robot = await startDingTalkRobot('SECtest');
  const notifier = await startNotifier({
    DINGTALK_URL: robot.url,
    DINGTALK_SECRET: 'SECtest',
    HTTPS_PROXY: 'ftp://proxy.invalid',
  });
  const run = () =>
    runProgram(process.execPath, ['alerting/notifier/notify-test.ts'], {
      cwd: join(import.meta.dirname, '../../..'),
      env: { ...process.env, NOTIFIER_URL: notifier.url, LLAMASCOPE_LANG: 'en' },
    });
  const { code, text } = await run();
  expect(text).toMatch(/^dingtalk: delivered in \d+ ms \(notification 1\)\.\n\n### /);
  expect(text).toContain(robot.received[0]?.text);
  expect(text).toContain('Warning: NOTIFIER_PUBLIC_URL: links in messages point to 127.0.0.1');
  expect(text).toContain('Warning: HTTPS_PROXY, HTTP_PROXY: expected an http or https URL');
  expect(code).toBe(0);
  expect(robot.received[0]?.text).toContain('测试消息：一切正常');
  expect(await notifier.list()).toMatchObject([{ channel: 'dingtalk', state: 'delivered' }]);
  await notifier.stop();
  const down = await run();
  expect(down.text).toMatch(/^Not sent: no notifier answers at .* \(ECONNREFUSED\)/);
  expect(down.code).toBe(1);
  expect(robot.received).toHaveLength(1);
  await robot.close();
});
