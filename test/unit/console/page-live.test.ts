/** The console's panels: labels of axes, names of series, values in words, and the time range that suits. */
import { describe, expect, test } from 'vitest';
import {
  endings,
  prefixCopies,
  processRoles,
  streamEndings,
  tokenTypes,
} from '../../../otel/names.ts';
import { panels } from '../../../otel/panels/dashboards.ts';
import { slo } from '../../../otel/panels/slo.ts';
import type { Text } from '../../../otel/text.ts';
import { labelBounds, labelTicks, stepsOf } from '../../../src/console/page/live/axis-labels.ts';
import { lonePoints } from '../../../src/console/page/live/columns.ts';
import { legendWords, nameInWords } from '../../../src/console/page/live/legend-words.ts';
import { suitingRange } from '../../../src/console/page/live/ranges.ts';
import { zh } from '../../../src/console/page/texts/zh.ts';
import { valueInWords } from '../../../src/console/page/live/values.ts';

const english = ({ en }: Text): string => en;
const chinese = ({ zh }: Text): string => zh;

describe('the labels of an axis', () => {
  test.each([
    { unit: 's', values: [0, 0.05, 0.1], labels: ['0 ms', '50 ms', '100 ms'] },
    { unit: 's', values: [0, 0.5, 1], labels: ['0 s', '0.5 s', '1 s'] },
    { unit: 's', values: [0, 30, 60, 90, 120], labels: ['0 s', '30 s', '60 s', '90 s', '120 s'] },
    { unit: 's', values: [0, 60, 120, 180], labels: ['0 min', '1 min', '2 min', '3 min'] },
    { unit: 's', values: [0, 3600, 7200], labels: ['0 h', '1 h', '2 h'] },
    { unit: 'By', values: [0, 2 ** 29, 2 ** 30], labels: ['0 GiB', '0.5 GiB', '1 GiB'] },
    { unit: '{request}', values: [0, 1, 2], labels: ['0', '1', '2'] },
    { unit: '{token}', values: [0, 5000, 10_000], labels: ['0k', '5k', '10k'] },
    { unit: '{request}/s', values: [0, 0.02, 0.04], labels: ['0/s', '0.02/s', '0.04/s'] },
    { unit: '1', values: [0, 0.5], labels: ['0%', '50%'] },
  ])('$labels have one unit', ({ unit, values, labels }) => {
    expect(labelTicks(values, unit)).toEqual(labels);
  });

  test('of counts are whole numbers, those of rates need not be', () => {
    expect(Math.min(...stepsOf('{request}'))).toBe(1);
    expect(Math.min(...stepsOf('{request}/s'))).toBeLessThan(0.01);
  });

  test('of a heatmap have the unit of the largest bound', () => {
    expect(labelBounds(['0.01', '1.28', '+Inf'], 's')).toEqual(['0.01 s', '1.28 s', '∞']);
    expect(labelBounds(['0.01', '0.5'], 's')).toEqual(['10 ms', '500 ms']);
  });
});

test('a value between two gaps is found, also at the ends', () => {
  expect(lonePoints([1, null, 2, null, 3, 4, undefined, 0])).toEqual([0, 2, 7]);
});

describe('the name of a series', () => {
  test('has a word for every label value of a closed set', () => {
    const reasons = Object.values(endings).flat();
    const all = [...tokenTypes, ...prefixCopies, ...streamEndings, ...processRoles, ...reasons];
    expect([...all, ...Object.keys(endings)].filter((name) => !(name in legendWords))).toEqual([]);
    for (const { en } of Object.values(legendWords)) expect(en).not.toContain('_');
  });

  test('has no raw identifier in the queries of panels', () => {
    const fixed = panels
      .flatMap(({ queries }) => queries.map(({ legend }) => legend))
      .map((legend) => nameInWords(legend.replaceAll(/\{\{\w+\}\}/g, ''), english));
    expect(fixed.filter((name) => name.includes('_'))).toEqual([]);
  });

  test.each([
    ['rejected queue_full', 'rejected: queue full', '被拒绝：队列已满'],
    ['failed engine_exit', 'failed: engine exit', '失败：引擎退出'],
    ['cached_input', 'cached', '缓存命中'],
    ['in use', 'in use', '已使用'],
    ['webhook failed', 'webhook failed', 'webhook 失败'],
    ['P99 127.0.0.1:8000', 'P99 127.0.0.1:8000', 'P99 127.0.0.1:8000'],
  ])('%s is %s, or %s', (legend, en, zh) => {
    expect([nameInWords(legend, english), nameInWords(legend, chinese)]).toEqual([en, zh]);
  });
});

test('an error budget that is spent says how often', () => {
  const { budgetLeft } = slo;
  expect(valueInWords(budgetLeft, -37.03, english)).toBe('spent 38 times over');
  expect(valueInWords(budgetLeft, -37.03, chinese)).toBe('已超支，用量为预算的 38 倍');
  expect(valueInWords(budgetLeft, 0.4, english)).toBe('40%');
});

test('a Chinese sentence has Chinese units of time', () => {
  expect(zh.forSome('2 min')).toBe('持续 2 分钟');
  expect(zh.resolvedAfter('1.5 h', '03:20:11')).toBe('03:20:11 恢复，持续 1.5 小时');
  expect(zh.queued(3, '40 s')).toBe('排队中，前面还有 3 个请求，约 40 秒');
  expect(zh.ranges['5m']).toBe('5 分钟');
});

test.each([
  [0, '5m'],
  [3, '5m'],
  [5, '15m'],
  [40, '1h'],
  [200, '6h'],
  [600, '24h'],
  [10_000, '24h'],
] as const)('the range that suits a last request %i minutes ago is %s', (minutes, range) => {
  const now = 1_790_000_000_000;
  expect(suitingRange(now - minutes * 60_000, now)).toBe(range);
  expect(suitingRange(undefined, now)).toBe('15m');
});
