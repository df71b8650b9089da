/**
 * The process behind `make up` in native mode: runs the children of a plan until it is told to stop.
 * Started detached as `node stack/native/supervisor/supervisor.ts RUN_DIR`, one for a run folder; its standard output is its log.
 */
import { rmSync, writeFileSync } from 'node:fs';
import { keepRunning, type Keeper } from './keeper.ts';
import { logFile, rotateLog } from './log-file.ts';
import { readPlan } from './plan.ts';
import { readProcess } from './processes.ts';
import { pidFile, removeState, writeState } from './state.ts';

function supervise(runDir: string): void {
  const self = readProcess(process.pid);
  if (self === undefined) throw new Error('supervisor: expected itself in /proc, found nothing');
  const { pid, startTicks } = self;
  const supervisor = { pid, startTicks, since: new Date().toISOString() };
  const { root, children, limits } = readPlan(runDir);
  const keepers: Keeper[] = [];

  function log(line: string): void {
    console.log(`${new Date().toISOString()} ${line}`);
    rotateLog(logFile(runDir, 'supervisor'), limits.logBytes);
  }

  function saveState(): void {
    writeState(runDir, { supervisor, children: keepers.map((keeper) => keeper.state()) });
  }

  async function stop(by: string): Promise<void> {
    log(`${by}: stopping`);
    // The last to start stops first: chat drains while it is still watched, the notifier hears the last alert.
    for (const keeper of keepers.toReversed()) await keeper.stop();
    rmSync(pidFile(runDir, 'supervisor'), { force: true });
    removeState(runDir);
    log('stopped');
    process.exit(0);
  }

  let stopping = false;
  for (const name of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(name, () => {
      if (!stopping) void stop(name);
      stopping = true;
    });
  }
  writeFileSync(pidFile(runDir, 'supervisor'), `${pid}\n`);
  for (const child of children) {
    keepers.push(keepRunning({ child, root, runDir, limits, onChange: saveState, log }));
  }
  saveState();
  log(`running ${children.map(({ name }) => name).join(', ')}`);
}

const [runDir] = process.argv.slice(2);
if (runDir === undefined) throw new Error('supervisor: expected the run folder, got nothing');
supervise(runDir);
