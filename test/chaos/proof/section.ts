/** A section of the page of proof: a table whose rows are measured in parts, so that a run can stop between them and go on. */

/** `tested`: a test of `make test` covers it. `missed`: the claim does not hold. `skipped`: this machine cannot try it. `noted`: a number without a claim. */
export type Verdict = 'holds' | 'tested' | 'missed' | 'skipped' | 'noted';

export interface Row {
  /** In the order of the section's columns. */
  cells: readonly string[];
  verdict: Verdict;
}

export interface Section {
  title: string;
  introduction: string;
  columns: readonly string[];
  parts: Readonly<Record<string, () => Promise<readonly Row[]>>>;
}

/** A row of the columns "claim" and "measured". */
export function claim(text: string, measured: string, holds: boolean): Row {
  return { cells: [text, measured], verdict: holds ? 'holds' : 'missed' };
}

export function note(text: string, measured: string): Row {
  return { cells: [text, measured], verdict: 'noted' };
}
