/** The one clock of the service: both processes stamp their facts with it. */

/** Milliseconds since 1970 with sub-millisecond resolution; never goes backwards within a process. */
export function epochMillis(): number {
  return performance.timeOrigin + performance.now();
}
