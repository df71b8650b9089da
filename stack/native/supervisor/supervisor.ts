/**
 * The background process of native mode: runs the children of a plan until it gets a signal to stop. `make up` starts it
 * detached as `node stack/native/supervisor/supervisor.ts RUN_DIR`; its standard output is its log.
 */
import { keepRunning, stopKeeping, type Keeper } from './keeper.ts';
import { logFile, rotateLog } from './log-file.ts';
import { readPlan } from './plan.ts';
import { readProcess } from './processes.ts';
import { removeState, writeState } from './state.ts';

function supervise(runDir: string): void {
  const self = readProcess(process.pid);
  if (self === undefined) throw new Error(`supervisor: expected /proc/${process.pid}, found none`);
  const supervisor = { pid: self.pid, startTicks: self.startTicks };
  const { root, children, limits } = readPlan(runDir);
  const keepers: Keeper[] = [];

  function log(line: string): void {
    console.log(`${new Date().toISOString()} ${line}`);
    rotateLog(logFile(runDir, 'supervisor'), limits.logBytes);
  }

  function saveState(): void {
    writeState(runDir, { supervisor, children: keepers.map((keeper) => keeper.state) });
  }

  async function stop(signalName: string): Promise<void> {
    log(`${signalName}: stopping`);
    // In reverse start order: Prometheus still scrapes a chat service that drains, and the notifier gets the last alert.
    for (const keeper of keepers.toReversed()) await stopKeeping(keeper);
    removeState(runDir);
    log('stopped');
    process.exit(0);
  }

  let isStopping = false;
  for (const signalName of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) {
    process.on(signalName, () => {
      if (!isStopping) void stop(signalName);
      isStopping = true;
    });
  }
  for (const child of children) {
    keepers.push(keepRunning({ child, root, runDir, limits, onChange: saveState, log }));
  }
  saveState();
  log(`running ${children.map(({ name }) => name).join(', ')}`);
}

const [runDir] = process.argv.slice(2);
if (runDir === undefined) throw new Error('supervisor: expected the run folder, got nothing');
supervise(runDir);
