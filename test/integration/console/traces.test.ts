/** The console's traces in a real Chromium, against the real service after requests of every kind. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { TraceSummary } from '../../../otel/traces/rows.ts';
import { longAnswer, startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { readSpans, type OtlpTrace, type TestSpan } from '../../support/otel/trace.ts';
import { driveTraffic } from '../../support/otel/prometheus-traffic.ts';

const run = promisify(execFile);
const browser = useConsoleBrowser();
let service: ChatService;

beforeAll(async () => {
  service = await startChatService({ CHAT_SEQUENCES: '1', CHAT_QUEUE_LIMIT: '1' });
  await driveTraffic(service.url, service.process.pid!);
  const gone = new AbortController();
  const left = await post({ ...longAnswer, stream: true }, gone.signal);
  await left.body!.getReader().read();
  gone.abort();
  await until(async () => (await listTraces('cancelled')).length > 0);
  // The slowest trace is not the newest.
  await (await post({ max_tokens: 1 })).text();
});
afterAll(() => service.stop());

function post(fields: object, signal?: AbortSignal): Promise<Response> {
  const body = JSON.stringify({ messages: [{ role: 'user', content: 'hello' }], ...fields });
  const options = { method: 'POST', body, ...(signal && { signal }) };
  return fetch(`${service.url}/v1/chat/completions`, options);
}

async function listTraces(filter: string): Promise<TraceSummary[]> {
  const answer = await fetch(`${service.url}/api/traces?limit=500&filter=${filter}`);
  return ((await answer.json()) as { traces: TraceSummary[] }).traces;
}

async function findSpans(traceId: string): Promise<TestSpan[]> {
  const answer = await fetch(`${service.url}/api/traces/${traceId}`);
  return readSpans((await answer.json()) as OtlpTrace);
}

function slowestOf(traces: TraceSummary[]): TraceSummary {
  return traces.reduce((most, trace) =>
    trace.durationMillis > most.durationMillis ? trace : most,
  );
}

/** The trace ids of the list, in its order. */
function listedIds(page: Page): Promise<string[]> {
  return page
    .locator('.trace-row')
    .evaluateAll((rows) => rows.map((row) => row.getAttribute('href')!.split('/').at(-1)!));
}

async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name, exact: true }).click();
}

interface Box {
  left: number;
  width: number;
}

/** Position and width within the track of a bar, as ratios of the track. */
function positionOnTrack(part: Locator): Promise<Box> {
  return part.evaluate((element) => {
    const track = element.parentElement!.getBoundingClientRect();
    const { left, width } = element.getBoundingClientRect();
    return { left: (left - track.left) / track.width, width: width / track.width };
  });
}

/** Parses a duration as the page formats it. */
function millisIn(text: string): number {
  const [value, unit] = text.split(' ');
  return Number(value) * { µs: 0.001, ms: 1, s: 1000 }[unit as 'µs' | 'ms' | 's'];
}

describe('the waterfall', () => {
  test('draws every span at its start and with its duration', async () => {
    const { traceId, durationMillis, startedAt } = slowestOf(await listTraces('all'));
    const spans = await findSpans(traceId);
    const page = await browser.open(service.url, { hash: `#/traces/${traceId}` });
    await page.locator('[data-span="decode"]').waitFor();
    expect(await page.locator('[data-span]').count()).toBe(spans.length);
    // The layout may not be stable yet.
    await vi.waitFor(async () => {
      for (const span of spans) {
        const bar = page.locator(`[data-span="${span.name}"]`);
        const { left, width } = await positionOnTrack(bar);
        // Within a pixel; bars are at least two pixels wide.
        expect(left, span.name).toBeCloseTo((span.startedAt - startedAt) / durationMillis, 2);
        const length = span.endedAt - span.startedAt;
        expect(width, span.name).toBeCloseTo(length / durationMillis, 2);
        const row = page.getByRole('button', { name: new RegExp(`^${span.name} .* from `) });
        const shown = millisIn(
          await row.locator('.span-time').evaluate((place) => place.firstChild!.textContent!),
        );
        expect(shown / length, span.name).toBeCloseTo(1, 1);
      }
    }, 15_000);
  });

  test('marks the first token, and shows the attributes of a span on Enter', async () => {
    const { traceId, durationMillis, startedAt } = slowestOf(await listTraces('all'));
    const event = (await findSpans(traceId)).flatMap(({ events }) => events)[0]!;
    const page = await browser.open(service.url, { hash: `#/traces/${traceId}` });
    const mark = page.locator(`[data-event="${event.name}"]`);
    await mark.waitFor();
    const { left, width } = await positionOnTrack(mark);
    expect(left + width / 2).toBeCloseTo((event.at - startedAt) / durationMillis, 2);
    await page.getByRole('button', { name: /^chat / }).press('Enter');
    await page.getByText('gen_ai.usage.input_tokens').waitFor();
  });

  test('of a failed request shows outcome and reason', async () => {
    const failed = (await listTraces('failed')).find(({ reason }) => reason === 'engine_exit');
    const page = await browser.open(service.url, { hash: `#/traces/${failed?.traceId}` });
    await page.getByText('failed · engine_exit').waitFor();
    await page.getByText('The engine exited').waitFor();
    expect(await page.locator('.bar-span.failed').count()).toBeGreaterThan(0);
  });
});

describe('the list', () => {
  test.each([
    ['All', 'all'],
    ['Failed', 'failed'],
    ['Cancelled', 'cancelled'],
  ])('under %s has those traces, newest first', async (button, filter) => {
    const page = await browser.open(service.url, { hash: '#/traces' });
    await press(page, button === 'All' ? 'Newest first' : button);
    const expected = (await listTraces(filter)).map(({ traceId }) => traceId);
    expect(expected).not.toEqual([]);
    await until(async () => String(await listedIds(page)) === String(expected));
  });

  test('under Slow begins with the slowest', async () => {
    const page = await browser.open(service.url, { hash: '#/traces' });
    await press(page, 'Slow');
    const slow = await listTraces('slow');
    expect(slow.length).toBeGreaterThan(1);
    const expected = slow.toSorted((a, b) => b.durationMillis - a.durationMillis);
    const ids = String(expected.map(({ traceId }) => traceId));
    await until(async () => String(await listedIds(page)) === ids);
  });

  test('shows each outcome', async () => {
    const page = await browser.open(service.url, { hash: '#/traces' });
    await page.locator('.trace-row').first().waitFor();
    const outcomes = new Set(await page.locator('.trace-row .chip').allInnerTexts());
    const some = ['completed · length', 'rejected · queue_full', 'cancelled · client_gone'];
    for (const ending of some) expect(outcomes).toContain(ending);
  });

  test('leads from the start page to the slowest request of the last hour in four clicks', async () => {
    const traces = await listTraces('all');
    const overall = slowestOf(traces);
    // The slowest trace is then just older than an hour.
    const since = overall.startedAt + 1;
    const page = await browser.open(service.url, {
      prepare: async (prepared) => {
        await prepared.clock.setFixedTime(since + 3_600_000);
        await prepared.addInitScript(() => {
          addEventListener('click', (event) => {
            if (event.isTrusted)
              sessionStorage['clicks'] = Number(sessionStorage['clicks'] ?? 0) + 1;
          });
        });
      },
    });
    await page.getByRole('link', { name: 'Traces' }).click();
    await press(page, 'Last hour');
    await press(page, 'Slowest first');
    await page.locator('.trace-row').first().click();
    await page.locator('[data-span]').first().waitFor();
    const { traceId } = slowestOf(traces.filter(({ startedAt }) => startedAt >= since));
    expect(page.url()).toContain(traceId);
    expect(await page.evaluate(() => Number(sessionStorage['clicks']))).toBe(4);
  });
});

describe('the curl of a trace', () => {
  test('runs as copied, and the page links to its trace', async () => {
    const question = `What's "this"? $HOME \`id\``;
    const page = await browser.open(service.url, {
      permissions: ['clipboard-read', 'clipboard-write'],
    });
    await page.getByLabel('Your question').fill(question);
    await page.getByRole('button', { name: 'Send' }).click();
    await page.getByRole('button', { name: 'Show where the time went' }).click();
    await page.getByRole('link', { name: 'Full trace' }).click();
    await page.getByRole('heading', { name: 'Repeat this request' }).waitFor();
    await press(page, 'Copy');
    await page.getByRole('button', { name: 'Copied' }).waitFor();
    const command = await page.evaluate(() => navigator.clipboard.readText());
    const traceId = /traceparent: 00-([0-9a-f]{32})-[0-9a-f]{16}-01'/.exec(command)?.[1];
    const { messages } = JSON.parse(/-d '(.*)'$/s.exec(command)![1]!.replaceAll(`'\\''`, `'`));
    expect(messages).toEqual([{ role: 'user', content: question }]);
    const { stdout } = await run('bash', ['-c', command]);
    expect(stdout).toContain('data: [DONE]');
    await page.getByRole('link', { name: traceId!.slice(0, 8) }).click();
    await page.locator('[data-span="decode"]').waitFor();
    expect(await findSpans(traceId!)).not.toEqual([]);
  });
});
