/** Names, labels and bounds in Prometheus. */
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { anyCharacter } from '../../support/any-character.ts';
import { metrics } from '../../../otel/names.ts';
import {
  familyName,
  formatBound,
  formatLabels,
  labelName,
  unitWord,
} from '../../../otel/prometheus/prometheus-names.ts';

describe('a bucket bound', () => {
  // The output of Go's strconv.FormatFloat(x, 'g', -1, 64), with `.0` appended if it contains neither `e` nor `.`.
  test.each([
    [0, '0.0'],
    [1, '1.0'],
    [0.005, '0.005'],
    [0.0001, '0.0001'],
    [0.00025, '0.00025'],
    [0.00001, '1e-05'],
    [163.84, '163.84'],
    [100_000, '100000.0'],
    [123_456.7, '123456.7'],
    [1_000_000, '1e+06'],
    [4 ** 10, '1.048576e+06'],
    [4 ** 13, '6.7108864e+07'],
    [1e21, '1e+21'],
    [5e-324, '5e-324'],
    [-0.5, '-0.5'],
    [Infinity, '+Inf'],
  ])('%d is written as Prometheus 3 stores it: %s', (bound, text) => {
    expect(formatBound(bound)).toBe(text);
  });

  test('parses to the same number, and is never written like an integer', () => {
    fc.assert(
      fc.property(fc.double({ noNaN: true, noDefaultInfinity: true }), (bound) => {
        const text = formatBound(bound);
        expect(Number(text)).toBe(bound === 0 ? 0 : bound);
        expect(text).toMatch(/[.e]/);
      }),
    );
  });
});

describe('a metric name', () => {
  test('of the contract has its unit, and _total on a counter', () => {
    const { httpServerActiveRequests, inferenceRequests, inferenceDuration } = metrics;
    const { processCpuTime, systemMemoryUsage, systemMemoryUtilization, inferenceReady } = metrics;
    expect(httpServerActiveRequests.scraped).toBe('http_server_active_requests');
    expect(inferenceRequests.scraped).toBe('inference_requests_total');
    expect(inferenceDuration.scraped).toBe('inference_duration_seconds');
    expect(processCpuTime.scraped).toBe('process_cpu_time_seconds_total');
    expect(systemMemoryUsage.scraped).toBe('system_memory_usage_bytes');
    expect(systemMemoryUtilization.scraped).toBe('system_memory_utilization_ratio');
    expect(inferenceReady.scraped).toBe('inference_ready');
  });

  test.each([
    ['http.server.duration', 'ms', 'histogram', 'http_server_duration_milliseconds'],
    ['disk.io', 'By/s', 'gauge', 'disk_io_bytes_per_second'],
    ['requests.total', '{request}', 'counter', 'requests'],
    ['queue.total', '', 'gauge', 'queue'],
    ['fill', '1', 'gauge', 'fill_ratio'],
    ['fill', '1', 'counter', 'fill'],
    ['up.seconds', 's', 'gauge', 'up_seconds'],
    ['3d.render', 's', 'gauge', '_3d_render_seconds'],
    ['a--b..c', '', 'gauge', 'a_b_c'],
    ['量.a', '', 'gauge', '_a'],
  ] as const)('%s in "%s" as a %s becomes %s', (name, unit, type, expected) => {
    expect(familyName({ name, unit, type })).toBe(expected);
  });

  test('omits the annotation of a unit', () => {
    expect(unitWord('{request}', 'gauge')).toBe('');
    expect(unitWord('{request}/s', 'gauge')).toBe('per_second');
  });
});

describe('labels', () => {
  test.each([
    ['http.route', 'http_route'],
    ['le', 'exported_le'],
    ['quantile', 'exported_quantile'],
    ['1st', 'key_1st'],
    ['__name__', '_name'],
    ['', 'key'],
    ['路', 'key'],
  ])('attribute "%s" becomes %s', (attribute, label) => {
    expect(labelName(attribute)).toBe(label);
  });

  test('attributes that map to one label share it, in the order of their names', () => {
    expect(formatLabels({ a_b: '2', 'a.b': '1', z: true, n: 5 })).toBe('a_b="1;2",n="5",z="true"');
  });

  test('values are escaped, lists are JSON, and invalid UTF-8 is replaced', () => {
    expect(formatLabels({ v: 'a"b\\c\nd' })).toBe(String.raw`v="a\"b\\c\nd"`);
    expect(formatLabels({ v: ['x', 'y'] })).toBe(String.raw`v="[\"x\",\"y\"]"`);
    expect(formatLabels({ v: '\ud800\0' })).toBe('v="\ufffd\ufffd"');
  });

  test('names are valid and unique for any attributes', () => {
    fc.assert(
      fc.property(fc.dictionary(fc.string({ unit: anyCharacter }), fc.string()), (attributes) => {
        const text = formatLabels(attributes);
        const names = [...text.matchAll(/(?:^|,)([^=,"]+)="(?:[^"\\]|\\.)*"/g)].map(
          ([, name]) => name,
        );
        for (const name of names) expect(name).toMatch(/^[a-zA-Z_][a-zA-Z0-9_]*$/);
        expect(new Set(names).size).toBe(names.length);
        expect(names.length > 0).toBe(Object.keys(attributes).length > 0);
      }),
    );
  });
});
