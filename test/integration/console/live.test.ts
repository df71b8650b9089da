/** The console's panels in a real Chromium, with a real Prometheus that scrapes every second. */
import type { Locator, Page, Response } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest';
import type { PanelInfo } from '../../../otel/panels/panel.ts';
import { formatTime, formatValue } from '../../../src/console/page/format.ts';
import type { PanelData, PanelList } from '../../../src/console/server/answers.ts';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';
import { findColors, type Rgb } from './canvas-colors.ts';
import { shared } from '../../support/shared.ts';
import type { SharedServices } from '../../support/shared-services.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { raiseAlert } from '../../support/stack/traffic.ts';

const browser = useConsoleBrowser();
const plotted = new Set(['timeseries', 'stacked', 'heatmap']);
/** Time for the recording rules and the query windows after the start. */
const patienceSeconds = 40;

let stack: SharedServices['stack'];
let list: PanelList;

beforeAll(async () => {
  stack = await shared('stack');
  list = (await (await fetch(`${stack.chatUrl}/api/panels`)).json()) as PanelList;
}, 120_000);

function card(page: Page, id: string): Locator {
  return page.locator(`[data-panel="${id}"]`);
}

/** Whether a response has the data of this panel. */
function isOf(id: string, minutes = 5): (response: Response) => boolean {
  return (response) => response.url().endsWith(`/api/panels/${id}?minutes=${minutes}`);
}

/** The page at one panel, paused, and the data that the panel shows. */
async function openAt(id: string): Promise<{ page: Page; answer: PanelData }> {
  const dashboard = list.dashboards.find(({ rows }) => rows.some((row) => row.panels.includes(id)));
  const page = await browser.open(stack.chatUrl, {
    hash: `#/live/${dashboard!.id}?range=5m`,
    viewport: { width: 1280, height: 3000 },
  });
  await card(page, id).locator('canvas').waitFor();
  const response = page.waitForResponse(isOf(id));
  await page.getByRole('button', { name: 'Refreshes every 5 s' }).click();
  const answer = (await (await response).json()) as PanelData;
  await page.evaluate(() => new Promise(requestAnimationFrame));
  return { page, answer };
}

/** Custom properties of the style sheet as colors in the current theme. */
function colorsOf(element: Locator, properties: string[]): Promise<Rgb[]> {
  return element.evaluate((place, names) => {
    const { style } = place as HTMLElement;
    const colors = names.map((name) => {
      style.color = `var(${name})`;
      return getComputedStyle(place).color.match(/\d+/g)!.map(Number) as [number, number, number];
    });
    style.color = '';
    return colors;
  }, properties);
}

const lineColors = ['decode', 'queue', 'line-1', 'line-2', 'line-3', 'line-4', 'line-5', 'line-6'];

/** The problems of a panel; empty if it draws its data. */
async function missingIn(page: Page, { id, kind }: PanelInfo): Promise<string[]> {
  const panel = card(page, id);
  await panel.scrollIntoViewIfNeeded();
  if (!plotted.has(kind)) {
    const figure = panel.locator('.figures strong').first();
    const isThere = (await figure.count()) > 0 && !/^–?$/.test(await figure.innerText());
    return isThere ? [] : [`${id}: no figure`];
  }
  const canvas = panel.locator('canvas');
  if ((await canvas.count()) === 0) return [`${id}: no plot`];
  const colors = await colorsOf(
    panel,
    lineColors.map((name) => `--${name}`),
  );
  const rows = await findColors(canvas, colors);
  return rows.some(({ length }) => length > 0) ? [] : [`${id}: no line`];
}

describe('every panel', () => {
  test('of each dashboard draws its data', async () => {
    await raiseAlert(stack, { name: 'HighErrorRate' });
    for (const dashboard of list.dashboards) {
      const ids = new Set(dashboard.rows.flatMap((row) => row.panels));
      const panels = list.panels.filter(({ id }) => ids.has(id));
      expect(panels.length).toBe(ids.size);
      const page = await browser.open(stack.chatUrl, {
        hash: `#/live/${dashboard.id}`,
        viewport: { width: 1920, height: 3000 },
      });
      let left = panels.map((panel) => ({ panel, missing: [''] }));
      await until(async () => {
        for (const one of left) one.missing = await missingIn(page, one.panel);
        left = left.filter(({ missing }) => missing.length > 0);
        return left.length === 0;
      }, patienceSeconds).catch(() => undefined);
      expect(
        left.flatMap(({ missing }) => missing),
        dashboard.id,
      ).toEqual([]);
    }
  }, 180_000);
});

describe('a plot', () => {
  test('has a dashed line at each threshold', async () => {
    const { page } = await openAt('burn-availability');
    const panel = card(page, 'burn-availability');
    const limits = await panel.locator('.limit').allTextContents();
    expect(limits).toEqual(['warning ≥ 6×', 'critical ≥ 14.4×']);
    const colors = await colorsOf(panel, ['--orange', '--red']);
    const [orange = [], red = []] = await findColors(panel.locator('canvas'), colors);
    // Rows of pixels that a dashed line across the plot fills.
    const across = (rows: typeof red) => rows.filter(({ count }) => count > 100);
    expect([across(orange).length, across(red).length]).toEqual([1, 1]);
    const zero = await bottomOf(panel);
    const height = (rows: typeof red) => zero - across(rows)[0]!.top;
    // Lines are drawn at whole pixels.
    expect(Math.abs(height(red) - (14.4 / 6) * height(orange))).toBeLessThan(1 + 14.4 / 6);
  });

  test('shows the values under the mouse, and with arrow keys', async () => {
    await until(async () => {
      const cpu = await fetch(`${stack.chatUrl}/api/panels/cpu?minutes=5`);
      const [line] = ((await cpu.json()) as PanelData).series;
      const shown = (line?.points ?? []).map(([, value]) => formatValue(value, '1'));
      return new Set(shown).size > 2;
    });
    const { page, answer } = await openAt('cpu');
    const panel = card(page, 'cpu');
    const points = answer.series[0]!.points;
    const now = formatValue(points.at(-1)![1], '1');
    // A value that differs from the value shown without a cursor.
    const [at, value] = points.findLast(
      ([, known]) => known !== null && formatValue(known, '1') !== now,
    )!;
    const over = (await panel.locator('.u-over').boundingBox())!;
    const share = (at - answer.from) / (answer.to - answer.from);
    await page.mouse.move(over.x + share * over.width - 1, over.y + over.height / 2);
    await panel.getByText(formatTime(at * 1000)).waitFor();
    expect(await panel.locator('.legend b').innerText()).toBe(formatValue(value, '1'));
    await page.mouse.move(0, 0);
    await panel.locator('.plot-area').press('ArrowLeft');
    await panel.getByText(formatTime(answer.to * 1000)).waitFor();
    await panel.locator('.plot-area').press('ArrowLeft');
    await panel.getByText(formatTime((answer.to - answer.stepSeconds) * 1000)).waitFor();
    expect(await panel.locator('.legend b').innerText()).toBe(formatValue(points.at(-2)![1], '1'));
  });

  test('has exemplars as dots at the height of their values, which link to their traces', async () => {
    const { page, answer } = await openAt('generation-time');
    const panel = card(page, 'generation-time');
    const dots = panel.locator('.exemplar');
    const bottom = (await panel.locator('.u-over').boundingBox())!;
    const heights = await dots.evaluateAll((elements) =>
      elements.map((element) => {
        const { top, height } = element.getBoundingClientRect();
        return top + height / 2;
      }),
    );
    const above = heights.map((top) => bottom.y + bottom.height - top);
    // The first may lie above the plot.
    const [, second, third] = answer.exemplars;
    expect(above.at(-2)! / above.at(-3)!).toBeCloseTo(second!.value / third!.value, 0);
    // Dots may overlap; the largest is on top.
    await dots.last().click();
    await page.locator('[data-span="decode"]').waitFor();
    expect(page.url()).toContain(answer.exemplars[0]!.traceId);
  });

  test('moves its exemplars at once when the time range changes', async () => {
    const to = 1_790_000_000;
    const page = await browser.open(stack.chatUrl, {
      hash: '#/live/qwen-monitor?range=5m&panel=cpu',
      async prepare(prepared) {
        await prepared.route('**/api/panels/cpu?**', (route) => {
          const minutes = Number(new URL(route.request().url()).searchParams.get('minutes'));
          const from = to - 60 * minutes;
          const points = Array.from({ length: 60 }, (_, step) => [from + step * minutes, 0.5]);
          const exemplars = [{ at: to - 200, value: 0.4, traceId: 'c0ffee' }];
          const series = [{ legend: 'a', points }];
          const range = { from, to, stepSeconds: minutes };
          return route.fulfill({ json: { source: 'prometheus', ...range, series, exemplars } });
        });
      },
    });
    const panel = card(page, 'cpu');
    const expectShare = (share: number): Promise<void> =>
      vi.waitFor(async () => {
        const over = (await panel.locator('.u-over').boundingBox())!;
        const dot = (await panel.locator('.exemplar').boundingBox({ timeout: 1000 }))!;
        expect((dot.x + dot.width / 2 - over.x) / over.width).toBeCloseTo(share, 1);
      }, 4000);
    await panel.locator('.exemplar').waitFor();
    await expectShare(1 / 3);
    await page.getByRole('button', { name: 'Refreshes every 5 s' }).click();
    await page.getByRole('button', { name: '1h', exact: true }).click();
    await expectShare(1 - 200 / 3600);
  });

  test('has labels that grow with the font size of the browser', async () => {
    const page = await browser.open(stack.chatUrl, {
      hash: '#/live/qwen-monitor?range=5m&panel=cpu',
      async prepare(prepared) {
        await prepared.addInitScript(() => {
          const { prototype } = CanvasRenderingContext2D;
          const draw = Reflect.get(prototype, 'fillText') as (...args: unknown[]) => void;
          Reflect.set(
            prototype,
            'fillText',
            function (this: CanvasRenderingContext2D, ...args: unknown[]) {
              document.documentElement.dataset['font'] = this.font;
              Reflect.apply(draw, this, args);
            },
          );
        });
      },
    });
    const font = async (): Promise<string> =>
      (await page.locator('html').getAttribute('data-font')) ?? '';
    const patience = { timeout: 20_000 };
    await expect.poll(font, patience).toMatch(/^12px/);
    const devtools = await page.context().newCDPSession(page);
    await devtools.send('Page.setFontSizes', { fontSizes: { standard: 28 } });
    await expect.poll(font, patience).toMatch(/^21px/);
    await devtools.send('Emulation.setDeviceMetricsOverride', {
      width: 640,
      height: 400,
      deviceScaleFactor: 2,
      mobile: false,
    });
    // Zoom: more pixels for the same CSS pixels. uPlot gives the size of the font in pixels of the canvas.
    await expect.poll(font, patience).toMatch(/^42px/);
  });

  test('draws a value between two gaps as a dot', async () => {
    const points = Array.from({ length: 60 }, (_, step) => [
      1_790_000_000 + 5 * step,
      step === 30 ? 0.5 : null,
    ]);
    const range = { from: points[0]![0], to: points[59]![0], stepSeconds: 5 };
    const answer = { source: 'prometheus', ...range, exemplars: [] };
    const page = await browser.open(stack.chatUrl, {
      hash: '#/live/qwen-monitor?range=5m&panel=cpu',
      async prepare(prepared) {
        await prepared.route('**/api/panels/cpu?**', (route) =>
          route.fulfill({ json: { ...answer, series: [{ legend: 'a', points }] } }),
        );
      },
    });
    const panel = card(page, 'cpu');
    await panel.locator('canvas').waitFor();
    const [color] = await colorsOf(panel, ['--line-1']);
    await until(async () => {
      const [rows = []] = await findColors(panel.locator('canvas'), [color!]);
      return rows.length >= 3 && rows.length < 12;
    });
  });
});

describe('the view', () => {
  test('has the panels of the overview first, with a whole number of requests', async () => {
    const page = await browser.open(stack.chatUrl, { hash: '#/live' });
    await page.locator('[aria-current]', { hasText: 'Overview' }).waitFor();
    await page.getByText('its scrape job is called qwen-instruct, as in the article').waitFor();
    const total = card(page, 'total-requests').locator('strong');
    await until(async () => /^[1-9]\d*$/.test(await total.innerText()));
    expect(await page.title()).toBe('Overview · Live · llamascope');
  });

  test('begins with the shortest range that has the last request, and keeps the chosen one', async () => {
    const startedAt = Date.now() - 20 * 60_000;
    const page = await browser.open(stack.chatUrl, {
      hash: '#/live/inference',
      async prepare(prepared) {
        await prepared.route('**/api/traces?limit=1', (route) =>
          route.fulfill({ json: { traces: [{ startedAt }] } }),
        );
      },
    });
    const chosen = (): Promise<string> =>
      page.locator('.choices [aria-pressed=true]').first().innerText();
    await until(async () => (await chosen()) === '1h');
    await page.getByRole('button', { name: '6h', exact: true }).click();
    await page.reload();
    await until(async () => (await chosen()) === '6h');
    await page.goBack();
    await until(async () => (await chosen()) === '1h');
  });

  test('has an address for each panel, and fills the screen', async () => {
    const page = await browser.open(stack.chatUrl, { hash: '#/live/inference?range=5m' });
    await page.getByRole('link', { name: 'Queue', exact: true }).click();
    await page.getByRole('link', { name: 'All panels of Inference' }).waitFor();
    expect(page.url()).toContain('range=5m&panel=queue-depth');
    expect(await page.locator('.panel').count()).toBe(1);
    expect(await page.title()).toBe('Queue · Live · llamascope');
    await page.getByRole('button', { name: 'Full screen' }).click();
    await page.locator('.bar').waitFor({ state: 'hidden' });
    await page.getByRole('button', { name: 'Leave full screen' }).waitFor();
    await page.keyboard.press('Escape');
    await page.locator('.bar').waitFor();
  });
});

/** The position of zero in a plot, from the top of its canvas. */
async function bottomOf(panel: Locator): Promise<number> {
  const over = (await panel.locator('.u-over').boundingBox())!;
  const canvas = (await panel.locator('canvas').boundingBox())!;
  return over.y + over.height - canvas.y;
}

describe('the time range', () => {
  test('is the chosen one', async () => {
    const { page } = await openAt('queue-depth');
    const asked = page.waitForResponse(isOf('queue-depth', 60));
    await page.getByRole('button', { name: '1h', exact: true }).click();
    const { from, to } = (await (await asked).json()) as PanelData;
    expect(to - from).toBe(3600);
    const panel = card(page, 'queue-depth');
    // The plot may be replaced under the mouse.
    await vi.waitFor(async () => {
      for (const x of [20, 1]) await panel.locator('.u-over').hover({ position: { x, y: 20 } });
      await panel.getByText(formatTime(from * 1000)).waitFor({ timeout: 1000 });
    }, 15_000);
  });

  test('moves on until it is paused', async () => {
    const page = await browser.open(stack.chatUrl, {
      hash: '#/live/inference?range=5m',
      prepare: (prepared) => prepared.clock.install(),
    });
    await card(page, 'ready').locator('.figures').waitFor();
    const again = page.waitForResponse(isOf('ready'));
    await page.clock.fastForward(6000);
    await again;
    const last = page.waitForResponse(isOf('ready'));
    await page.getByRole('button', { name: 'Refreshes every 5 s' }).click();
    await last;
    await page.getByRole('button', { name: 'Paused' }).waitFor();
    let asked = 0;
    page.on('request', (request) => (asked += Number(request.url().includes('/api/panels/ready'))));
    const status = page.waitForResponse((response) => response.url().endsWith('/api/status'));
    await page.clock.fastForward(6000);
    await status;
    expect(asked).toBe(0);
  });
});

describe('without Prometheus', () => {
  let service: ChatService;
  beforeAll(async () => {
    service = await startChatService({ PROMETHEUS_URL: 'http://127.0.0.1:1' });
  });
  afterAll(() => service.stop());

  test('the page shows the reason and the numbers of /api/status, and panels stay empty', async () => {
    const page = await browser.open(service.url, {
      hash: '#/live/inference',
      viewport: { width: 1280, height: 3000 },
    });
    await page.getByText('Prometheus is not available').waitFor();
    await page.getByText('Prometheus at http://127.0.0.1:1 does not answer').waitFor();
    await card(page, 'first-token').getByText('Requires Prometheus.').waitFor();
    const numbers = page.getByRole('region', { name: 'Service status' });
    expect(await numbers.innerText()).toMatch(/ready.*\n0\/64\s+queue/s);
    expect(await page.locator('canvas').count()).toBe(0);
  });
});

test('requests of the page are not in the HTTP metrics and traces', async () => {
  const page = await browser.open(stack.chatUrl, { hash: '#/live' });
  await page.locator('canvas').first().waitFor();
  const scrape = await (await fetch(`${stack.chatUrl}/metrics`)).text();
  const requests = scrape.match(/^http_server_request.*$/gm)!.join('\n');
  expect(requests).toContain('http_route="/chat"');
  expect(requests).not.toMatch(/\/api|\/console|http_route="\/"/);
  const answer = await fetch(`${stack.chatUrl}/api/traces?limit=500`);
  const names = ((await answer.json()) as { traces: { name: string }[] }).traces;
  for (const { name } of names) expect(name).toMatch(/^POST \/(chat|v1)/);
});
