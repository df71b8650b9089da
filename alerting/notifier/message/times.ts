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

/** The two largest units: `8m 12s`, `1 天 3 小时`. */
export function formatDuration(
  seconds: number,
  units: { d: string; h: string; m: string; s: string },
): string {
  const whole = Math.max(0, Math.round(seconds));
  const parts: [number, string][] = [
    [Math.floor(whole / 86_400), units.d],
    [Math.floor(whole / 3600) % 24, units.h],
    [Math.floor(whole / 60) % 60, units.m],
    [whole % 60, units.s],
  ];
  const first = parts.findIndex(([count]) => count > 0);
  if (first === -1) return `0${units.s}`;
  const shown = parts.slice(first, first + 2).filter(([count]) => count > 0);
  return shown.map(([count, unit]) => `${count}${unit}`).join(' ');
}
