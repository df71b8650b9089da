/** Times and durations as a message shows them. */

/** Alertmanager writes year 1 for "not known"; that is not a time to show. Milliseconds since 1970. */
export function readTime(text: string): number | undefined {
  const time = Date.parse(text);
  return time > 0 ? time : undefined;
}

export function formatTime(time: number | undefined, timeZone: string): string | undefined {
  if (time === undefined) return undefined;
  // Swedish writes dates as ISO 8601 does.
  const format = new Intl.DateTimeFormat('sv-SE', {
    timeZone,
    dateStyle: 'short',
    timeStyle: 'medium',
  });
  return `${format.format(time)} (${timeZone})`;
}
