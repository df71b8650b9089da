/** The clock of the service. Time ranges are relative to it, because the clock of a browser may be hours off. */

/** The header `Date` has whole seconds, and an answer takes a while. */
const toleratedMillis = 5000;

let offsetMillis = 0;

/** @param date the header `Date` of an answer */
export function noteServerTime(date: string | null): void {
  const offset = Date.parse(date ?? '') - Date.now();
  if (Number.isNaN(offset)) return;
  offsetMillis = Math.abs(offset) > toleratedMillis ? offset : 0;
}

/** Epoch milliseconds. */
export function serverNow(): number {
  return Date.now() + offsetMillis;
}
