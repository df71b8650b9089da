/** Formats numbers, units (UCUM, as in the panels) and times. */

const dash = '–';

/** About three significant digits. */
export function formatNumber(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e9) return `${trim(value / 1e9)}G`;
  if (size >= 1e6) return `${trim(value / 1e6)}M`;
  if (size >= 1e4) return `${trim(value / 1e3)}k`;
  return trim(value);
}

function trim(value: number): string {
  const size = Math.abs(value);
  const digits = size >= 100 ? 0 : size >= 10 ? 1 : 2;
  return String(Number(value.toFixed(size < 0.1 && size > 0 ? 4 : digits)));
}

export function formatSeconds(seconds: number): string {
  const size = Math.abs(seconds);
  if (size >= 3600) return `${trim(seconds / 3600)} h`;
  if (size >= 120) return `${trim(seconds / 60)} min`;
  if (size >= 1) return `${trim(seconds)} s`;
  if (size >= 0.001 || size === 0) return `${trim(seconds * 1000)} ms`;
  return `${trim(seconds * 1e6)} µs`;
}

const chineseUnits: Record<string, string> = { h: '小时', min: '分钟', s: '秒' };

/** A duration of `formatSeconds` within a Chinese sentence. */
export function inChinese(duration: string): string {
  return duration.replace(/(?<= )(h|min|s)$/, (unit) => chineseUnits[unit]!);
}

function formatBytes(bytes: number): string {
  const power = Math.min(4, Math.floor(Math.log2(Math.max(1, Math.abs(bytes))) / 10));
  return `${trim(bytes / 1024 ** power)} ${['B', 'KiB', 'MiB', 'GiB', 'TiB'][power]}`;
}

/** @param unit `s`, `By`, `1` (a ratio, shown in percent), `x` (a multiple), `{thing}` or `{thing}/s` */
export function formatValue(value: number | null | undefined, unit: string): string {
  if (value === null || value === undefined || !Number.isFinite(value)) return dash;
  if (unit === 's') return formatSeconds(value);
  if (unit === 'By') return formatBytes(value);
  if (unit === '1') return `${trim(value * 100)}%`;
  if (unit === 'x') return `${trim(value)}×`;
  return unit.endsWith('/s') ? `${formatNumber(value)}/s` : formatNumber(value);
}

/** The upper bound of a bucket, as Prometheus spells it. */
export function formatBound(bound: string, unit: string): string {
  return bound === '+Inf' ? '∞' : formatValue(Number(bound), unit);
}

const clock = new Intl.DateTimeFormat('sv', { timeStyle: 'medium' });
const shortClock = new Intl.DateTimeFormat('sv', { timeStyle: 'short' });
const day = new Intl.DateTimeFormat('sv', { dateStyle: 'short' });

/** The time of day, with the date unless it is today. @param time epoch milliseconds or ISO 8601 */
export function formatTime(time: number | string): string {
  const date = new Date(time);
  const timeOfDay = clock.format(date);
  const today = day.format(new Date());
  return day.format(date) === today ? timeOfDay : `${day.format(date)} ${timeOfDay}`;
}

export function formatShortTime(epochMillis: number): string {
  return shortClock.format(new Date(epochMillis));
}
