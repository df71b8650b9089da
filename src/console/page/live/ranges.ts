/** The time ranges of the panels, and the one that suits what there is. */
import { serverNow } from '../server-clock.ts';

export type RangeName = '5m' | '15m' | '1h' | '6h' | '24h';

/** Minutes to look back, and seconds between two polls. */
export const ranges: Record<RangeName, { minutes: number; everySeconds: number }> = {
  '5m': { minutes: 5, everySeconds: 5 },
  '15m': { minutes: 15, everySeconds: 5 },
  '1h': { minutes: 60, everySeconds: 15 },
  '6h': { minutes: 360, everySeconds: 60 },
  '24h': { minutes: 1440, everySeconds: 120 },
};

/** The last request lies in the later part of the range. */
const usedShare = 0.75;

export function isRange(name: string | undefined): name is RangeName {
  return name !== undefined && name in ranges;
}

/** The shortest range with the last request in it. @param lastRequestAt epoch milliseconds; undefined: there was none */
export function suitingRange(lastRequestAt: number | undefined, now = serverNow()): RangeName {
  if (lastRequestAt === undefined) return '15m';
  const minutes = (now - lastRequestAt) / 60_000;
  const names = Object.keys(ranges) as RangeName[];
  return names.find((name) => minutes <= ranges[name].minutes * usedShare) ?? '24h';
}
