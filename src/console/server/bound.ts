/** Finds the number that an alerting rule compares its metric with. Used by GET /api/rules. */
import type { AlertingRule } from './answers.ts';

export interface Comparison {
  /** The PromQL on the left of the operator. */
  left: string;
  operator: NonNullable<AlertingRule['bound']>['operator'];
  value: number;
}

/** `unless` after the number: such a comparison only selects series. */
const comparison = /^(>=|<=|==|>|<) *(-?[\d.]+(?:e[+-]?\d+)?)\b(?! *unless)/;

/**
 * The first comparison of a condition with a number, outside of parentheses if there is one: `rate(a[5m]) > 0.05 and b >= 5` →
 * `rate(a[5m])`, `>`, 0.05.
 */
export function findComparison(query: string): Comparison | undefined {
  let depth = 0;
  for (let at = 0; at < query.length && depth >= 0; at += 1) {
    const char = query.charAt(at);
    if (char === '"') at = endOfString(query, at);
    else if ('([{'.includes(char)) depth += 1;
    else if (')]}'.includes(char)) depth -= 1;
    const found = depth === 0 ? comparison.exec(query.slice(at)) : null;
    if (found !== null) {
      const [, operator, value] = found;
      return {
        left: query.slice(0, at).trim(),
        operator: operator as Comparison['operator'],
        value: Number(value),
      };
    }
  }
  return query.startsWith('(') ? findComparison(query.slice(1)) : undefined;
}

/** The index of the closing quote. */
function endOfString(query: string, start: number): number {
  let at = start + 1;
  while (at < query.length && query.charAt(at) !== '"') at += query.charAt(at) === '\\' ? 2 : 1;
  return at;
}
