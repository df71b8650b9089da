/** The settings of the programs that `make up` starts, checked by the programs themselves before anything starts. */
import { runProgram } from './program.ts';

/** Each prints its invalid settings, one a line. */
const checks = ['src/check-settings.ts', 'alerting/notifier/check-settings.ts'];

/** Every problem of the chat service and the notifier, such as `CHAT_THREADS: expected "auto" or an integer from 1 to 256, got "0"`. */
export async function findProblems(root: string, env: NodeJS.ProcessEnv): Promise<string[]> {
  const ended = await Promise.all(
    checks.map((program) => runProgram(process.execPath, [program], { cwd: root, env })),
  );
  // A program that fails otherwise will fail again when it starts, and `make up` then shows its log.
  const checked = ended.filter(({ code }) => code === 0);
  return checked.flatMap(({ text }) => text.split('\n').filter((line) => line !== ''));
}
