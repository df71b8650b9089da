/** Milliseconds since 1970. Undefined for an unknown time, which Alertmanager writes as year 1. */
export function readTime(text: string): number | undefined {
  const time = Date.parse(text);
  return time > 0 ? time : undefined;
}

/** As `2026-04-26 11:21:41 (Asia/Shanghai)`. */
export function formatTime(time: number | undefined, timeZone: string): string | undefined {
  if (time === undefined) return undefined;
  // Swedish dates are ISO 8601.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return `${format.format(time)} (${timeZone})`;
}
