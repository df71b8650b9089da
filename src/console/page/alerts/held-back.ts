/** Whether a rule is quiet although its value is past its threshold: else its row would contradict itself. */
import type { AlertingRule } from '../../server/answers.ts';

type Operator = NonNullable<AlertingRule['bound']>['operator'];

const isPast: Record<Operator, (value: number, bound: number) => boolean> = {
  '>': (value, bound) => value > bound,
  '>=': (value, bound) => value >= bound,
  '<': (value, bound) => value < bound,
  '<=': (value, bound) => value <= bound,
  '==': (value, bound) => value === bound,
};

/** A second condition, such as another time window, does not hold. A rule without one is evaluated in some seconds. */
export function isHeldBack({ state, bound, value, query }: AlertingRule): boolean {
  if (state !== 'inactive' || bound === undefined || value === null) return false;
  return /\b(and|unless)\b/.test(query) && isPast[bound.operator](value, bound.value);
}
