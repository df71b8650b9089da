const english = { d: 'd', h: 'h', m: 'm', s: 's' };

/** The two largest units of a duration: `8m 12s`, `2h`; with other unit names `1 天 3 小时`. Negative durations are 0. */
export function formatDuration(seconds: number, units: typeof english = english): string {
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
