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
  test('requires a reason, lasts as long as chosen, is shown to others, and is lifted in place', async () => {
    await raiseAlert(stack, { name: 'ChatLatencyHigh', severity: 'warning' });
    const page = await openAlerts();
    const alert = card(page, 'ChatLatencyHigh');
    await alert.getByRole('button', { name: 'Silence…' }).click();
    const lengths = alert.getByRole('group', { name: 'Duration' }).getByRole('button');
    expect(await lengths.allInnerTexts()).toEqual(['15 minutes', '1 hour', '1 day']);
    await lengths.first().click();
    await alert.getByLabel('Reason').focus();
    const send = alert.getByRole('button', { name: 'Silence for 15 minutes' });
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
    expect(Date.parse(endsAt) - Date.parse(startsAt)).toBeCloseTo(900_000, -4);
    expect(matchers).toContainEqual(
      expect.objectContaining({ name: 'alertname', value: 'ChatLatencyHigh' }),
    );
    const next = card(await openAlerts(), 'ChatLatencyHigh');
    await next
      .getByText(
        /^Silenced until (\d{4}-\d\d-\d\d )?[\d:]+ by llamascope console: .?a load test runs/,
      )
      .waitFor();
    expect(await next.getByRole('button', { name: 'Silence…' }).count()).toBe(0);
    await next.getByRole('button', { name: 'End silence' }).click();
    await next.getByText('firing', { exact: true }).waitFor();
    expect((await readSilences()).map(({ status }) => status.state)).toEqual(['expired']);
  });

  test('of a resolved alert is refused with a message', async () => {
    await raiseAlert(stack, { name: 'QueueBacklog' });
    const page = await openAlerts({ expected: [/status of 409/] });
    const alert = card(page, 'QueueBacklog');
    await alert.getByRole('button', { name: 'Silence…' }).click();
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
    const answer = await fetch(`${stack.chatUrl}/api/alert-history`);
    return (await answer.text()).includes('"dead"');
  }, 40);
  const page = await openAlerts();
  const entry = page.locator('[data-episode="HighErrorRate"]');
  await entry.getByText('still firing').waitFor();
  expect(await entry.innerText()).toMatch(/Start:\s+dingtalk · failed .*sign not match/s);
  expect(await page.content()).not.toContain(robotToken);
});

test('a quiet page has all rules with state, threshold, value now and last firing', async () => {
  const page = await openAlerts();
  const rule = page.locator('[data-rule="EngineNotReady"]');
  await rule.getByText(/^ok$/).waitFor();
  expect(await rule.locator('summary').innerText()).toMatch(
    /EngineNotReady\s+The engine is not ready\s+now \S+\s+< 50% for 2 min\s+not within 7 days/,
  );
  await raiseAlert(stack, { name: 'DiskFailing' });
  const foreign = card(await openAlerts(), 'DiskFailing');
  await foreign.getByText('from another program').waitFor();
  await foreign.page().getByText('without a rule here: DiskFailing.').waitFor();
  await rule.locator('summary').click();
  await rule.getByText('avg_over_time(inference_ready').waitFor();
  await page.locator('[data-rule="TargetDown"]').getByText('= 0 for 60 s').waitFor();
  const chinese = await openAlerts({ locale: 'zh-CN' });
  await chinese.locator('[data-rule="EngineNotReady"]').getByText('推理引擎未就绪').waitFor();
});

describe('without Alertmanager', () => {
  test('the page gives the reason, and does not claim that no alerts are firing', async () => {
    const { url } = await shared('chat');
    const page = await browser.open(url, { hash: '#/alerts' });
    await page.getByText('Alertmanager at http://127.0.0.1:1 does not answer').waitFor();
    await page.getByText('NOTIFIER_URL: not set.').waitFor();
    // Programs that nobody has set up are not in the header.
    await page.getByRole('link', { name: 'Alertmanager is down' }).waitFor();
    expect(await page.getByRole('link', { name: 'The notifier is down' }).count()).toBe(0);
    expect(await page.getByText('No alerts are firing.').count()).toBe(0);
    await page.getByText('It is not known what fired').waitFor();
  });
});
