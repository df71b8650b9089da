/**
 * Counts the work of compiling one answer format, so that it is bounded before it is done. Nothing else runs in the engine process
 * while a format is compiled. Used by the files of this folder that loop over what a client sent.
 */

/** A step takes about 1 µs (measured), so that a format may take 0.3 s. */
export const maxSteps = 300_000;

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

/** @throws TooMuchWorkError when the format takes more than `maxSteps`. Outside of `withLimitedWork` nothing is counted. */
export function work(steps: number): void {
  left -= steps;
  if (left < 0) throw new TooMuchWorkError();
}

/** Runs synchronous work. @returns its result, and how many steps it took. */
export function withLimitedWork<T>(run: () => T, steps = maxSteps): { result: T; steps: number } {
  left = steps;
  try {
    return { result: run(), steps: steps - left };
  } finally {
    left = Infinity;
  }
}
