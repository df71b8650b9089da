/** Patterns of the formats that a grammar enforces, narrower than the standards where a model has no use for the rest. */

import { matchingWhole, type Language } from './language.ts';
import { withoutCounting } from './work.ts';

const byte = '(?:25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])';
const ipv4 = String.raw`${byte}(?:\.${byte}){3}`;
const group = '[0-9a-f]{1,4}';
const label = '[A-Za-z0-9](?:[A-Za-z0-9-]{0,28}[A-Za-z0-9])?';
const hostname = String.raw`${label}(?:\.${label}){0,7}`;

/** RFC 3339, section 5.6, with the days of each month and leap years. */
const leapYear =
  '(?:[0-9]{2}(?:0[48]|[2468][048]|[13579][26])|(?:0[048]|[2468][048]|[13579][26])00)';
const day = '(?:0[1-9]|1[0-9]|2[0-8])';
const date = `(?:[0-9]{4}-(?:(?:0[1-9]|1[0-2])-${day}|(?:0[13-9]|1[0-2])-(?:29|30)|(?:0[13578]|1[02])-31)|${leapYear}-02-29)`;
const hour = '(?:[01][0-9]|2[0-3])';
const time = String.raw`${hour}:[0-5][0-9]:[0-5][0-9](?:\.[0-9]{1,9})?(?:Z|[+-]${hour}:[0-5][0-9])`;

/** RFC 3986, section 3: characters of a path, a query and a fragment. */
const uriCharacter = String.raw`(?:[A-Za-z0-9._~!$&'()*+,;=:@\/-]|%[0-9A-F]{2})`;

export const formatPatterns: Readonly<Record<string, string>> = {
  date,
  time,
  'date-time': `${date}T${time}`,
  /** RFC 5321, section 4.1.2, without quoted names and address literals. */
  email: String.raw`[A-Za-z0-9_+-]{1,32}(?:\.[A-Za-z0-9_+-]{1,31})?@(?:${label}\.){1,4}[A-Za-z]{2,12}`,
  /** RFC 9562. */
  uuid: '[0-9a-f]{8}-[0-9a-f]{4}-[1-8][0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}',
  ipv4,
  /** RFC 4291, section 2.2. */
  ipv6: [
    `(?:${group}:){7}${group}`,
    ...Array.from({ length: 7 }, (_, at) => {
      const before = at === 0 ? '' : `${group}(?::${group}){0,${at - 1}}`;
      const after = 6 - at === 0 ? `(?:${group})?` : `(?:${group}(?::${group}){0,${6 - at}})?`;
      return `${before}::${after}`;
    }),
  ].join('|'),
  /** RFC 1123, section 2.1: at most 253 characters. */
  hostname,
  uri: String.raw`[a-z][a-z0-9+.-]{0,15}:\/\/${hostname}(?::[1-9][0-9]{0,3})?(?:\/${uriCharacter}*)?(?:\?${uriCharacter}*)?(?:#${uriCharacter}*)?`,
};

const languages = new Map<string, Language>();

/** Made once, in up to 0.1 s. It is not part of what a client's schema costs. */
export function formatLanguage(format: string): Language {
  const known = languages.get(format);
  if (known !== undefined) return known;
  const made = withoutCounting(() => matchingWhole(formatPatterns[format]!));
  languages.set(format, made);
  return made;
}

/** Formats that have to be made for the JSON text of a schema. */
export function missingFormats(json: string): string[] {
  return Object.keys(formatPatterns).filter(
    (format) => !languages.has(format) && json.includes(`"format":"${format}"`),
  );
}

/** Formats of numbers that say how a program keeps them (OpenAPI). */
export const numberFormats = new Set(['int32', 'int64', 'float', 'double']);
