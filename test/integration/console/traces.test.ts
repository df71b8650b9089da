/** The console's traces in a real Chromium, against the real service after requests of every kind. */
import { execFile } from 'node:child_process';
import { promisify } from 'node:util';
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { TraceSummary } from '../../../otel/traces/rows.ts';
import { formatNumber, formatSeconds } from '../../../src/console/page/format.ts';
import { addUsage, groupRefusals } from '../../../src/console/page/traces/trace-groups.ts';
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

/** The trace ids of the list, in its order, and for equal refusals their number. */
function listed(page: Page): Promise<string[]> {
  return page
    .locator('li > .trace-row')
    .evaluateAll((rows) =>
      rows.map(
        (row) => row.getAttribute('href')?.split('/').at(-1) ?? row.querySelector('b')!.textContent,
      ),
    );
}

function expectedRows(traces: TraceSummary[]): string[] {
  return groupRefusals(traces).map(({ traces: [first, ...others] }) =>
    others.length === 0 ? first.traceId : `${others.length + 1} times`,
  );
}

/** The number of traces may follow the name. */
async function press(page: Page, name: string): Promise<void> {
  await page.getByRole('button', { name: new RegExp(`^${name}( \\d+)?$`) }).click();
}

async function openList(query = ''): Promise<Page> {
  const page = await browser.open(service.url, { hash: `#/traces${query}` });
  await page.locator('.trace-row').first().waitFor();
  return page;
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
    const { inputTokens = 0, outputTokens = 0 } = slowestOf(await listTraces('all'));
    const total = page.locator('.trace-numbers > div', { hasText: 'tokens in all' });
    expect(await total.innerText()).toContain(formatNumber(inputTokens + outputTokens));
  });

  test('of a failed request shows outcome and reason', async () => {
    const failed = (await listTraces('failed')).find(({ reason }) => reason === 'engine_exit');
    const page = await browser.open(service.url, { hash: `#/traces/${failed?.traceId}` });
    await page.getByText('failed · engine exit').waitFor();
    await page.getByText('The engine exited').waitFor();
    expect(await page.locator('.bar-span.failed').count()).toBeGreaterThan(0);
  });
});

describe('the list', () => {
  test.each([
    ['All', 'all'],
    ['Failed', 'failed'],
    ['Cancelled', 'cancelled'],
    ['Rejected', 'rejected'],
  ])('under %s has those traces and their number, newest first', async (button, filter) => {
    const page = await openList();
    await press(page, button);
    const traces = await listTraces(filter);
    expect(traces).not.toEqual([]);
    await page.getByRole('button', { name: `${button} ${traces.length}`, exact: true }).waitFor();
    const expected = String(expectedRows(traces));
    await until(async () => String(await listed(page)) === expected);
  });

  test('keeps filter, order and unfolded refusals when going back, and after a reload', async () => {
    const page = await openList();
    await press(page, 'Rejected');
    await press(page, 'Slowest first');
    await page.getByRole('button', { name: /times/ }).first().click();
    const refusal = page.locator('.inner .trace-row').first();
    await refusal.click();
    await refusal.waitFor({ state: 'detached' });
    await page.getByText('rejected · queue full').waitFor();
    await page.goBack();
    const isKept = async (): Promise<void> => {
      await page.locator('.inner .trace-row').first().waitFor();
      const pressed = await page.locator('[aria-pressed=true]').allInnerTexts();
      expect(pressed.join()).toMatch(/^Rejected\s+\d+,All time,Slowest first$/);
    };
    await isKept();
    await page.reload();
    await isKept();
    await page.locator('.inner .trace-row').first().click();
    await page.getByRole('heading').getByRole('link', { name: 'Traces' }).click();
    await isKept();
  });

  test('under Slow begins with the slowest', async () => {
    const page = await openList();
    await press(page, 'Slow');
    const slow = await listTraces('slow');
    expect(slow.length).toBeGreaterThan(1);
    const sorted = slow.toSorted((a, b) => b.durationMillis - a.durationMillis);
    const expected = String(expectedRows(sorted));
    await until(async () => String(await listed(page)) === expected);
  });

  test('shows phases, tokens, first token, model and client of an answer, and each outcome', async () => {
    const answered = (await listTraces('all')).find(({ outcome }) => outcome === 'completed')!;
    const { traceId, inputTokens, outputTokens, firstTokenMillis, model, client } = answered;
    const page = await openList();
    const row = page.locator(`[href$="${traceId}"]`);
    const text = await row.innerText();
    const tokens = `${formatNumber(inputTokens!)} → ${formatNumber(outputTokens!)}`;
    for (const part of [tokens, formatSeconds(firstTokenMillis! / 1000), model!, client!]) {
      expect(text).toContain(part);
    }
    const colors = page.getByRole('list', { name: 'Colors of the bars' }).getByRole('listitem');
    const names = (await colors.allInnerTexts()).map((name) => name.trim());
    expect(names).toEqual(['tokenize', 'queue', 'prefill', 'decode', 'other']);
    const phases = await row
      .locator('.trace-bar i')
      .evaluateAll((parts) => parts.map(({ className }) => className));
    expect(phases).toEqual(Object.keys(answered.phases!));
    const outcomes = new Set(await page.locator('.trace-row .chip').allInnerTexts());
    const some = ['completed · max tokens', 'rejected · queue full', 'cancelled · client gone'];
    for (const ending of some) expect(outcomes).toContain(ending);
  });

  test('can be limited to a route, and to the text of an error', async () => {
    const page = await openList();
    await page.getByLabel('Route').selectOption('/v1/completions');
    await until(async () => {
      const names = await page.locator('.trace-name').allInnerTexts();
      return names.every((name) => name.startsWith('POST /v1/completions'));
    });
    await page.getByLabel('Route').selectOption('');
    await page.getByLabel('Text of an error').fill('model_NOT');
    const refused = page.getByText('rejected · model not found');
    await refused.waitFor();
    expect(await refused.getAttribute('title')).toBe('rejected · model_not_found');
    const [{ error }] = (await listTraces('rejected')).filter(
      ({ reason }) => reason === 'model_not_found',
    ) as [TraceSummary];
    // The text may be cut off.
    await page.getByTitle(error!.message).first().waitFor();
    await until(async () => (await page.locator('li > .trace-row').count()) === 1);
  });

  test('adds up the use of each client', async () => {
    const page = await openList('?usage=1');
    const rows = addUsage(await listTraces('all')).map(({ client, requests, refused }) =>
      [client, requests, refused].join(' '),
    );
    const shown = page.locator('.client-usage tbody tr');
    await until(async () => {
      const texts = (await shown.allInnerTexts()).map((text) => text.split(/\s+/).slice(0, 3));
      return texts.map((cells) => cells.join(' ')).join() === rows.join();
    });
  });

  test('leads from the start page to the slowest request of the last hour in four clicks', async () => {
    const page = await browser.open(service.url, {
      prepare: async (prepared) => {
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
    const { traceId, name } = slowestOf(await listTraces('all'));
    await page.locator(`li:first-child > [href$="${traceId}"]`).click();
    await page.locator('[data-span]').first().waitFor();
    expect(await page.evaluate(() => Number(sessionStorage['clicks']))).toBe(4);
    expect(await page.title()).toBe(`Trace ${traceId.slice(0, 8)} · ${name} · llamascope`);
  });

  test('of the last hour goes by the clock of the service', async () => {
    const now = Date.now() + 2 * 3_600_000;
    const page = await browser.open(service.url, {
      hash: '#/traces?period=hour',
      prepare: (prepared) => prepared.clock.setFixedTime(now),
    });
    await page.locator('.trace-row .chip').first().waitFor();
    // A service whose clock shows the same as the browser's.
    const date = new Date(now).toUTCString();
    await page.route('**/api/**', async (route) => {
      const response = await route.fetch();
      await route.fulfill({ response, headers: { ...response.headers(), date } });
    });
    await page.reload();
    await page.getByText('No matching traces.').waitFor();
    expect(await page.locator('.trace-row').count()).toBe(0);
  });
});

describe('the trace of another client', () => {
  test('says which field was refused and why, and shows no request', async () => {
    const refused = (await listTraces('rejected')).find(({ error }) => error?.param === 'model')!;
    const page = await browser.open(service.url, { hash: `#/traces/${refused.traceId}` });
    await page.locator('.explanation', { hasText: refused.error!.message }).waitFor();
    expect(await page.locator('.curl').count()).toBe(0);
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
