/** The JSON texts of the numbers within limits. Used by scalars.ts. */
import { fromStates, intersect, matchingWhole, type Language } from './language.ts';

export interface Limits {
  isInteger: boolean;
  /** The larger of `minimum` and `exclusiveMinimum`, as with the others; undefined where there is none. */
  least?: Limit | undefined;
  most?: Limit | undefined;
  multiplesOf: readonly number[];
}

export interface Limit {
  value: number;
  isExclusive: boolean;
}

/** JavaScript keeps 15 digits of any number: fewer than two texts of that length never mean the same number. */
const digits = 15;
/** A state for each remainder. */
const maxRemainders = 2000;
const anyFraction = String.raw`(?:\.[0-9]+)?`;

/**
 * @throws Error for a `multipleOf` that takes too many states.
 */
export function numbersWithin({ isInteger, multiplesOf, ...limits }: Limits): Language {
  const { least, most } = withoutVacuous(limits);
  const lower = least === undefined ? undefined : atLeast(least);
  const upper = most === undefined ? undefined : mirrored(atLeast(mirror(most)));
  const whole = Math.max(digits, ...[least, most].map((limit) => leadingDigits(limit) + 1));
  const fractional = Math.max(1, digits - Math.max(...[least, most, undefined].map(leadingDigits)));
  const integers = `(?:0|-?[1-9][0-9]{0,${whole - 1}})`;
  const syntax = isInteger
    ? integers
    : String.raw`-?(?:0|[1-9][0-9]{0,${whole - 1}})(?:\.[0-9]{1,${fractional}})?`;
  return intersect([
    matchingWhole(syntax),
    ...[lower, upper].flatMap((sides) => (sides === undefined ? [] : [ofSides(sides)])),
    ...multiplesOf.map((divisor) => multiples(divisor)),
  ]);
}

/** Limits that every number of the grammar is within, such as those that libraries write for 64 bits. */
function withoutVacuous({ least, most }: Pick<Limits, 'least' | 'most'>) {
  const beyond = 10 ** digits;
  const isHigh = least !== undefined && least.value >= beyond;
  const isLow = most !== undefined && most.value <= -beyond;
  return {
    least: !isLow && least !== undefined && least.value <= -beyond ? undefined : least,
    most: !isHigh && most !== undefined && most.value >= beyond ? undefined : most,
  };
}

function leadingDigits(limit: Limit | undefined): number {
  return limit === undefined ? 1 : decimal(Math.abs(limit.value)).whole.length;
}

/** Patterns of the magnitudes that are allowed with and without a sign; undefined where none is. */
interface Sides {
  positive: string | undefined;
  negative: string | undefined;
}

function ofSides({ positive, negative }: Sides): Language {
  const alternatives = [
    ...(positive === undefined ? [] : [`(?:${positive})`]),
    ...(negative === undefined ? [] : [`-(?:${negative})`]),
  ];
  return matchingWhole(alternatives.length === 0 ? '[]' : alternatives.join('|'));
}

function mirror({ value, isExclusive }: Limit): Limit {
  return { value: -value, isExclusive };
}

function mirrored({ positive, negative }: Sides): Sides {
  return { positive: negative, negative: positive };
}

function atLeast({ value, isExclusive }: Limit): Sides {
  if (value > 0) return { positive: magnitudeFrom(value, isExclusive), negative: undefined };
  const positive = value === 0 ? magnitudeFrom(0, isExclusive) : `[0-9]+${anyFraction}`;
  return { positive, negative: magnitudeTo(-value, isExclusive) };
}

function magnitudeFrom(value: number, isExclusive: boolean): string {
  const { whole, fraction } = decimal(value);
  const longer = `[1-9][0-9]{${whole.length},}${anyFraction}`;
  const larger = [longer, ...beyond(whole, 'up').map((text) => text + anyFraction)];
  return [...larger, ...fractionFrom(fraction, isExclusive).map((text) => whole + text)].join('|');
}

function magnitudeTo(value: number, isExclusive: boolean): string {
  const { whole, fraction } = decimal(value);
  const shorter = whole.length === 1 ? [] : [`(?:0|[1-9][0-9]{0,${whole.length - 2}})`];
  const smaller = [...shorter, ...beyond(whole, 'down')].map((text) => text + anyFraction);
  const rest = fractionTo(fraction, isExclusive).map((text) => whole + text);
  return [...smaller, ...rest].join('|') || '[]';
}

/** Patterns of the numbers of the same length that are larger, or smaller. */
function beyond(whole: string, direction: 'up' | 'down'): string[] {
  return Array.from(whole).flatMap((digit, at) => {
    const isFirst = at === 0 && whole.length > 1;
    const from = direction === 'up' ? Number(digit) + 1 : Number(isFirst);
    const to = direction === 'up' ? 9 : Number(digit) - 1;
    const rest = whole.length - at - 1;
    return from > to ? [] : [`${whole.slice(0, at)}[${from}-${to}][0-9]{${rest}}`];
  });
}

/** Patterns of the fractions, dot included, that are at least `0.fraction`. */
function fractionFrom(fraction: string, isExclusive: boolean): string[] {
  const larger = Array.from(fraction).flatMap((digit, at) =>
    digit === '9' ? [] : [String.raw`\.${fraction.slice(0, at)}[${Number(digit) + 1}-9][0-9]*`],
  );
  if (isExclusive) return [...larger, String.raw`\.${fraction}[0-9]*[1-9][0-9]*`];
  return [...larger, fraction === '' ? anyFraction : String.raw`\.${fraction}[0-9]*`];
}

function fractionTo(fraction: string, isExclusive: boolean): string[] {
  const smaller = Array.from(fraction).flatMap((digit, at) => {
    const shorter = at === 0 ? '' : String.raw`\.${fraction.slice(0, at)}`;
    if (digit === '0') return shorter;
    return [shorter, String.raw`\.${fraction.slice(0, at)}[0-${Number(digit) - 1}][0-9]*`];
  });
  if (isExclusive) return smaller;
  return [...smaller, fraction === '' ? String.raw`(?:\.0+)?` : String.raw`\.${fraction}0*`];
}

/** The digits of a number >= 0 without its exponent. */
function decimal(value: number): { whole: string; fraction: string } {
  const [mantissa = '0', exponent = '0'] = value.toExponential().split('e');
  const [first = '0', others = ''] = mantissa.split('.');
  const shift = Number(exponent);
  const all = first + others;
  if (shift < 0) return { whole: '0', fraction: '0'.repeat(-shift - 1) + trimmed(all) };
  const padded = all.padEnd(shift + 1, '0');
  return { whole: padded.slice(0, shift + 1), fraction: trimmed(padded.slice(shift + 1)) };
}

function trimmed(fraction: string): string {
  return fraction.replace(/0+$/, '');
}

/** Long division by `divisor` = `scaled` / 10 ^ `places`, a digit at a time. */
function multiples(divisor: number): Language {
  const { whole, fraction } = decimal(divisor);
  const places = fraction.length;
  const scaled = Number(whole + fraction);
  if (scaled * (places + 1) > maxRemainders) {
    throw new Error(`a multiple of ${divisor} takes over ${maxRemainders} remainders`);
  }
  // "start", "sign" and "remainder:places", where -1 places mean that there was no dot yet.
  return fromStates<string>(
    'start',
    '-.0123456789',
    (state, character) => {
      if (character === '-') return state === 'start' ? 'sign' : undefined;
      const [remainder = 0, seen = -1] = state.includes(':') ? state.split(':').map(Number) : [];
      if (character === '.')
        return state.includes(':') && seen === -1 ? `${remainder}:0` : undefined;
      if (seen === places) return character === '0' ? state : undefined;
      return `${(remainder * 10 + Number(character)) % scaled}:${seen === -1 ? -1 : seen + 1}`;
    },
    (state) => {
      const [remainder = NaN, seen = 0] = state.split(':').map(Number);
      return (remainder * 10 ** (places - Math.max(0, seen))) % scaled === 0;
    },
  );
}
