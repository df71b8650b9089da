/** The time of a message: its zone, and its text. Used by `config.ts` and `message.ts`. */
import { readlinkSync } from 'node:fs';

/** Formats a time such as `2026-04-26 11:21:41 (Asia/Shanghai)`; with the offset if the zone has two of them in this month. */
export function formatTime(time: number, timeZone: string): string {
  const shown = formatsOf(timeZone).shown.format(time);
  const date = new Date(time);
  const [year, month] = [date.getUTCFullYear(), date.getUTCMonth()];
  const first = offsetOf(Date.UTC(year, month, 1), timeZone);
  const isSame = first === offsetOf(Date.UTC(year, month + 1, 1), timeZone);
  return `${shown}${isSame ? '' : ` ${offsetOf(time, timeZone)}`} (${timeZone})`;
}

/**
 * The formats of each zone. A new one for each time took 30 kB outside of the heap until it was collected, and 17 times as long: the
 * notifier grew to 450 MB over 5,000 webhooks (measured).
 */
const formats = new Map<string, ReturnType<typeof createFormats>>();

function formatsOf(timeZone: string): ReturnType<typeof createFormats> {
  const known = formats.get(timeZone) ?? createFormats(timeZone);
  formats.set(timeZone, known);
  return known;
}

function createFormats(timeZone: string) {
  const options = { timeZone, dateStyle: 'short', timeStyle: 'medium' } as const;
  return {
    // Swedish dates are ISO 8601.
    shown: new Intl.DateTimeFormat('sv-SE', options),
    offset: new Intl.DateTimeFormat('en', { timeZone, timeZoneName: 'longOffset' }),
  };
}

/** `+02:00`. */
function offsetOf(time: number, timeZone: string): string {
  const { offset } = formatsOf(timeZone);
  const name = offset.formatToParts(time).find(({ type }) => type === 'timeZoneName')?.value;
  return name?.replace('GMT', '') || '+00:00';
}

/** The zone as `Intl` writes it; undefined if it knows no such zone. */
export function findZone(name: string): string | undefined {
  try {
    return new Intl.DateTimeFormat('en', { timeZone: name }).resolvedOptions().timeZone;
  } catch {
    return undefined;
  }
}

/** `CST-8`, `<+08>-8:00`: the sign of POSIX is the opposite of ISO 8601. A rule for summer time is not read. */
const posix = /^(?:[A-Za-z]{3,}|<[\w+-]+>)([+-]?)(\d{1,2})(?::(\d{2}))?$/;

/**
 * The zone that TZ means: an IANA name, one after `:`, or a POSIX offset. Undefined if it means none of them.
 * https://pubs.opengroup.org/onlinepubs/9799919799/basedefs/V1_chap08.html
 */
export function readTz(given: string): string | undefined {
  const name = given.replace(/^:/, '');
  const [, sign, hours = '', minutes = '00'] = posix.exec(name) ?? [];
  if (sign === undefined) return findZone(name);
  return findZone(`${sign === '-' ? '+' : '-'}${hours.padStart(2, '0')}:${minutes}`);
}

/** The zone of `/etc/localtime`, else UTC. */
export function systemZone(localtime = '/etc/localtime'): string {
  try {
    const name = /zoneinfo\/(.+)$/.exec(readlinkSync(localtime))?.[1];
    return (name && findZone(name)) || 'UTC';
  } catch {
    return 'UTC';
  }
}
