/** Matchers as Alertmanager reads them. */
import { expect, test } from 'vitest';
import { matchLabels, parseMatchers } from '../../../alerting/notifier/routes.ts';

const matches = (text: string, labels: Record<string, string>): boolean =>
  matchLabels(parseMatchers(text), labels);

// Fault: a route has matchers in braces, quoted names, or classes such as `[[:alpha:]]`. Result: they match as in Alertmanager.
test.each<[string, Record<string, string>, boolean]>([
  ['severity="critical"', { severity: 'critical' }, true],
  ['severity=critical', { severity: 'critical' }, true],
  ['{severity="critical"}', { severity: 'critical' }, true],
  ['{ severity = "critical" , team =~ "a|b", }', { severity: 'critical', team: 'b' }, true],
  ['a="1",b!="2"', { a: '1', b: '2' }, false],
  ['"foo.bar"="x"', { 'foo.bar': 'x' }, true],
  ['"foo\\"bar"="x"', { 'foo"bar': 'x' }, true],
  ['告警="是"', { 告警: '是' }, true],
  ['x="a\\"b\\\\c"', { x: 'a"b\\c' }, true],
  ['x=""', {}, true],
  // A label that every JavaScript object inherits.
  ['constructor=""', {}, true],
  ['x=~"[[:alpha:]]+"', { x: 'abc' }, true],
  ['x=~"[[:alpha:]]+"', { x: 'ab1' }, false],
  ['x=~"[^[:digit:]_-]+"', { x: 'ab1' }, false],
  ['x=~"(?i)ab"', { x: 'AB' }, true],
  ['x=~"a\\.b"', { x: 'a.b' }, true],
  ['x=~"a\\.b"', { x: 'acb' }, false],
  ['x=~"a\\-b\\:c"', { x: 'a-b:c' }, true],
  ['x!~"a|b"', { x: 'c' }, true],
  ['x=~"a"', { x: 'ab' }, false],
])('%s with %o: %s', (text, labels, expected) => {
  expect(matches(text, labels)).toBe(expected);
});

test.each(['severity', 'a="b" c="d"', '{a="b"', '="x"', 'a="b', 'a==b'])(
  '%s is an error',
  (text) => {
    expect(() => parseMatchers(text)).toThrow('expected a matcher like');
  },
);

// Fault: a route has a regular expression that only Go reads. Result: an error at the start.
test.each(['x=~"("', String.raw`x=~"\\Qa\\E"`, String.raw`x=~"\\pN"`, 'x=~"[[:nope:]]"'])(
  '%s, which JavaScript would read differently, is an error',
  (text) => {
    expect(() => parseMatchers(text)).toThrow('expected a regular expression');
  },
);
