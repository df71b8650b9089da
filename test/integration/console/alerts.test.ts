/** The console's alerts in a real Chromium, with a real Alertmanager and notifier, and a robot that rejects messages. */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { shared } from '../../support/shared.ts';
import { until } from '../../support/until.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import {
  robotToken,
  startDingTalkRobot,
  type DingTalkRobot,
} from '../../../alerting/notifier/channels/dingtalk/stand-in.ts';
import { alertmanagerOf, raiseAlert } from '../../support/stack/traffic.ts';
import { createStack, type Stack } from '../../support/stack/stack.ts';

const browser = useConsoleBrowser();
let robot: DingTalkRobot;
let stack: Stack;

beforeAll(async () => {
  robot = await startDingTalkRobot('SECright');
  stack = await createStack({ DINGTALK_URL: robot.url, DINGTALK_SECRET: 'SECwrong' });
  await stack.command('up');
}, 120_000);
afterAll(async () => {
  await stack.dispose();
  await robot.close();
}, 60_000);

/** Opens a new page, because an open page polls only every ten seconds. */
async function openAlerts(options: { locale?: string; expected?: RegExp[] } = {}): Promise<Page> {
  return browser.open(stack.chatUrl, { hash: '#/alerts', ...options });
}

function card(page: Page, name: string): Locator {
  return page.locator(`[data-alert="${name}"]`);
}

interface KeptSilence {
  status: { state: string };
  comment: string;
  startsAt: string;
  endsAt: string;
  matchers: { name: string; value: string }[];
}

async function readSilences(): Promise<KeptSilence[]> {
  const answer = await fetch(`${alertmanagerOf(stack)}/api/v2/silences`);
  return (await answer.json()) as KeptSilence[];
}

test('an alert is counted in the tab of every view, and shown in the language of the page', async () => {
  const page = await browser.open(stack.chatUrl, { prepare: (it) => it.clock.install() });
  const tab = page.getByRole('link', { name: /^Alerts/ });
  expect(await tab.innerText()).toBe('Alerts');
  await raiseAlert(stack, { name: 'HighErrorRate' });
  await until(async () => {
    await page.clock.fastForward(11_000);
    return (await tab.innerText()).endsWith('1');
  });
  await tab.click();
  const alert = card(page, 'HighErrorRate');
  for (const text of ['firing', 'critical', 'Requests are failing', 'One in three of the last']) {
    await alert.getByText(text).waitFor();
  }
  const chinese = card(await openAlerts({ locale: 'zh-CN' }), 'HighErrorRate');
  for (const text of ['告警中', '严重', '请求失败率过高', '最近 5 分钟有 33% 的生成请求返回 5xx']) {
    await chinese.getByText(text).waitFor();
  }
  expect(await chinese.innerText()).not.toContain('Requests are failing');
});

describe('a silence', () => {
  test('requires a reason, lasts an hour in Alertmanager, and is shown to others', async () => {
    await raiseAlert(stack, { name: 'HighLatency', severity: 'warning' });
    const page = await openAlerts();
    const alert = card(page, 'HighLatency');
    await alert.getByRole('button', { name: 'Silence for 1 hour' }).click();
    const send = alert.getByRole('button', { name: 'Silence', exact: true });
    await page.keyboard.type('   ');
    expect(await send.isDisabled()).toBe(true);
    await page.keyboard.type('a load test runs');
    await page.keyboard.press('Enter');
    await alert.getByText('silenced', { exact: true }).waitFor();
    const kept = await readSilences();
    expect(kept.map(({ comment, status }) => [comment, status.state])).toEqual([
      ['a load test runs', 'active'],
    ]);
    const [{ startsAt, endsAt, matchers }] = kept as [KeptSilence];
    expect(Date.parse(endsAt) - Date.parse(startsAt)).toBeCloseTo(3_600_000, -4);
    expect(matchers).toContainEqual(
      expect.objectContaining({ name: 'alertname', value: 'HighLatency' }),
    );
    const next = card(await openAlerts(), 'HighLatency');
    await next
      .getByText(
        /^Silenced until (\d{4}-\d\d-\d\d )?[\d:]+ by llamascope console: .?a load test runs/,
      )
      .waitFor();
    expect(await next.getByRole('button', { name: 'Silence for 1 hour' }).count()).toBe(0);
  });

  test('of a resolved alert is refused with a message', async () => {
    await raiseAlert(stack, { name: 'QueueBacklog' });
    const page = await openAlerts({ expected: [/status of 409/] });
    const alert = card(page, 'QueueBacklog');
    await alert.getByRole('button', { name: 'Silence for 1 hour' }).click();
    await raiseAlert(stack, { name: 'QueueBacklog', over: true });
    await until(async () => {
      const alerts = await fetch(`${alertmanagerOf(stack)}/api/v2/alerts`);
      return !(await alerts.text()).includes('QueueBacklog');
    });
    await page.keyboard.type('too late');
    await page.keyboard.press('Enter');
    await alert.getByRole('alert').waitFor();
    expect(await alert.getByRole('alert').innerText()).toContain('no longer firing');
  });
});

describe('a runbook', () => {
  test('is shown below its alert as HTML', async () => {
    const page = await openAlerts();
    const alert = card(page, 'HighErrorRate');
    await alert.getByRole('button', { name: 'Runbook' }).click();
    const runbook = alert.locator('.runbook');
    await runbook.getByRole('heading', { name: 'HighErrorRate' }).waitFor();
    await runbook.getByRole('cell', { name: /, engine_exit$/ }).waitFor();
    const text = await runbook.innerText();
    expect(text).toContain('Look first');
    expect(text).not.toMatch(/\*\*|```|[\u4E00-\u9FFF]/);
    await runbook.getByRole('link', { name: 'QueueBacklog' }).click();
    await page.getByRole('heading', { name: 'QueueBacklog' }).waitFor();
    expect(page.url()).toMatch(/#\/runbooks\/QueueBacklog$/);
  });

  test('is Chinese on a Chinese page', async () => {
    const alert = card(await openAlerts({ locale: 'zh-CN' }), 'HighErrorRate');
    await alert.getByRole('button', { name: '处理手册' }).click();
    const runbook = alert.locator('.runbook');
    await runbook.getByRole('heading', { name: 'HighErrorRate' }).waitFor();
    const text = await runbook.innerText();
    expect(text).toMatch(/[\u4E00-\u9FFF]{4}/);
    expect(text).not.toContain('Look first');
  });
});

test('failed notifications are listed with the reason and without the token', async () => {
  // Alertmanager groups alerts for ten seconds.
  await until(async () => {
    const answer = await fetch(`${stack.chatUrl}/api/alerts`);
    return (await answer.text()).includes('"dead"');
  }, 40);
  const page = await openAlerts();
  const rows = page.locator('.notification-list li').filter({ hasText: 'HighErrorRate' });
  await rows.first().waitFor();
  const texts = await rows.allInnerTexts();
  expect(
    texts.some((text) => /failed\s+dingtalk.*sign not match/s.test(text)),
    texts.join('\n'),
  ).toBe(true);
  expect(await page.content()).not.toContain(robotToken);
});

describe('without Alertmanager', () => {
  test('the page gives the reason, and does not claim that no alerts are firing', async () => {
    const { url } = await shared('chat');
    const page = await browser.open(url, { hash: '#/alerts' });
    await page.getByText('Alertmanager at http://127.0.0.1:1 does not answer').waitFor();
    await page.getByText('NOTIFIER_URL: not set.').waitFor();
    expect(await page.getByText('No alerts are firing.').count()).toBe(0);
  });
});
