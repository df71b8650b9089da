/**
 * Counts the work of compiling one answer format, so that it is bounded before it is done. Nothing else runs in the engine process
 * while a format is compiled. Used by the files of this folder that loop over what a client sent.
 */

/** A step takes about 1 µs (measured). A format may take 0.3 s in all, and 0.2 s at a time. */
export const maxSteps = 300_000;
export const maxSliceSteps = 200_000;

export class TooMuchWorkError extends Error {
  constructor() {
    super(
      'expected a schema that compiles in fewer steps. Simplify its patterns, alternatives and lists of values',
    );
  }
}

let left = Infinity;

/** Runs work that does not depend on a client: it is not counted. */
export function withoutCounting<T>(run: () => T): T {
  const before = left;
  left = Infinity;
  try {
    return run();
  } finally {
    left = before;
  }
}

/** @throws TooMuchWorkError when the part that a meter runs takes too many. Outside of a meter nothing is counted. */
export function work(steps: number): void {
  left -= steps;
  if (left < 0) throw new TooMuchWorkError();
}

/** Limits what the parts of one compilation take together. Others run between the parts. */
export interface Meter {
  /** Runs synchronous work. @throws TooMuchWorkError when it takes more than `maxSliceSteps`, or all parts more than `maxSteps`. */
  run<T>(part: () => T): T;
  /** Of all parts so far, and of the longest one. */
  readonly steps: { all: number; longest: number };
}

export function createMeter({ all = maxSteps, slice = maxSliceSteps } = {}): Meter {
  const steps = { all: 0, longest: 0 };
  return {
    steps,
    run(part) {
      const limit = Math.min(slice, all - steps.all);
      left = limit;
      try {
        return part();
      } finally {
        const taken = limit - left;
        steps.all += taken;
        steps.longest = Math.max(steps.longest, taken);
        left = Infinity;
      }
    },
  };
}
