/** Vitest's globalSetup: creates one folder for all temporary files of a test run, and removes it after the run. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let folder: string | undefined;

export function setup(): void {
  folder = mkdtempSync(path.join(tmpdir(), 'llamascope-test-'));
  // `tmpdir()` returns this folder in the workers and in all processes that they start.
  process.env['TMPDIR'] = folder;
}

export function teardown(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
