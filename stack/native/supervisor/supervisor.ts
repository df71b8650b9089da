/**
 * The background process of native mode: runs the children of a plan until it gets a signal to stop. SIGUSR2 makes it read the plan
 * again. `make up` starts it detached as `node stack/native/supervisor/supervisor.ts RUN_DIR`; its standard output is its log.
 */
import { keepRunning, stopKeeping, type Keeper } from './keeper.ts';
import { logFile, rotateLog } from './log-file.ts';
import { findChanges, readPlan, takeEnvironment, type ChildDefinition } from './plan.ts';
import { readProcess } from './processes.ts';
import { removeState, writeState } from './state.ts';

const stateRetryMillis = 1000;

function supervise(runDir: string): void {
  const self = readProcess(process.pid);
  if (self === undefined) throw new Error(`supervisor: expected /proc/${process.pid}, found none`);
  const supervisor = { pid: self.pid, startTicks: self.startTicks };
  let { root, children, limits, revision } = readPlan(runDir);
  let keepers: Keeper[] = [];

  function log(line: string): void {
    console.log(`${new Date().toISOString()} ${line}`);
    rotateLog(logFile(runDir, 'supervisor'), limits.logBytes);
  }

  let retry: NodeJS.Timeout | undefined;
  /** On a full disk the children go on; the state is written as soon as there is room. */
  function saveState(): void {
    clearTimeout(retry);
    try {
      writeState(runDir, { supervisor, revision, children: keepers.map(({ state }) => state) });
    } catch (error) {
      log(`cannot write the state: ${(error as Error).message}`);
      retry = setTimeout(saveState, stateRetryMillis);
    }
  }

  function keep(child: ChildDefinition): Keeper {
    return keepRunning({ child, root, runDir, limits, onChange: saveState, log });
  }

  /** Changes to the plan and the environment that `make up` has written: restarts the children that differ. */
  async function update(): Promise<void> {
    for (const name of Object.keys(process.env)) delete process.env[name];
    Object.assign(process.env, takeEnvironment(runDir));
    const plan = readPlan(runDir);
    const isKept = ({ child }: Keeper): boolean =>
      plan.children.some(
        (next) => next.name === child.name && findChanges(child, next).length === 0,
      );
    for (const keeper of keepers.toReversed()) if (!isKept(keeper)) await stopKeeping(keeper);
    if (isStopping) return;
    const kept = keepers.filter(isKept);
    ({ root, limits } = plan);
    keepers = [];
    for (const child of plan.children) {
      keepers.push(kept.find((keeper) => keeper.child.name === child.name) ?? keep(child));
    }
    // Last, because `make up` takes the state of this revision for complete.
    revision = plan.revision;
    saveState();
    log(`running ${plan.children.map(({ name }) => name).join(', ')}`);
  }

  async function stop(signalName: string): Promise<void> {
    log(`${signalName}: stopping`);
    // In reverse start order: Prometheus still scrapes a chat service that drains, and the notifier gets the last alert.
    for (const keeper of keepers.toReversed()) await stopKeeping(keeper);
    clearTimeout(retry);
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
  // One update at a time; `make up` holds a lock.
  process.on('SIGUSR2', () => {
    if (!isStopping)
      void update().catch((error: unknown) => log(`update failed: ${String(error)}`));
  });
  for (const child of children) keepers.push(keep(child));
  saveState();
  log(`running ${children.map(({ name }) => name).join(', ')}`);
}

const [runDir] = process.argv.slice(2);
if (runDir === undefined) throw new Error('supervisor: expected the run folder, got nothing');
supervise(runDir);
