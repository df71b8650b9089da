/** What a run of the tests writes beside the checkout stands in one folder, which ends with the run. Vitest's globalSetup. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';

let folder: string | undefined;

export function setup(): void {
  folder = mkdtempSync(path.join(tmpdir(), 'llamascope-test-'));
  // The workers and all that they start find it as their tmpdir().
  process.env['TMPDIR'] = folder;
}

export function teardown(): void {
  if (folder !== undefined) rmSync(folder, { recursive: true, force: true });
}
