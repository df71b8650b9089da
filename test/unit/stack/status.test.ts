/** `make status` of a stack whose logs are on a full disk. */
import { mkdirSync, mkdtempSync, symlinkSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { expect, test, vi } from 'vitest';
import { showStatus } from '../../../stack/native/status.ts';
import { supervisionLimits, writePlan } from '../../../stack/native/supervisor/plan.ts';
import { readProcess } from '../../../stack/native/supervisor/processes.ts';
import { writeState } from '../../../stack/native/supervisor/state.ts';
import { readSettings } from '../../../stack/settings.ts';

/** What it prints about a stack without children. @param prepare makes the folder with the logs */
async function statusWith(prepare: (logs: string) => void): Promise<string> {
  const runDir = mkdtempSync(path.join(tmpdir(), 'status-'));
  prepare(path.join(runDir, 'logs'));
  writePlan(runDir, { root: runDir, children: [], limits: supervisionLimits });
  writeState(runDir, { supervisor: readProcess(process.pid)!, children: [] });
  const print = vi.spyOn(console, 'log').mockImplementation(() => undefined);
  try {
    await showStatus({ ...readSettings({ LANG: 'en_US.UTF-8' }), root: runDir, runDir });
    return print.mock.calls.flat().join('\n');
  } finally {
    print.mockRestore();
  }
}

test('it says that log lines are lost only if the disk of the logs is full', async () => {
  const lost = 'logs: the disk is full, so log lines are lost.';
  // /proc is a file system without room.
  expect(await statusWith((logs) => symlinkSync('/proc', logs))).toContain(lost);
  expect(await statusWith((logs) => mkdirSync(logs))).not.toContain(lost);
});
