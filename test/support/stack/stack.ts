/** The real stack in a sandbox, with its state file and Prometheus. Used by the tests of the whole stack and of the console. */
import { readState } from '../../../stack/native/supervisor/state.ts';
import { createSandbox, type Sandbox } from './sandbox.ts';

export interface Stack {
  env: NodeJS.ProcessEnv;
  chatUrl: string;
  /** Runs `node stack/up.ts COMMAND` and returns its output. @throws Error with the output when it fails. */
  command(name: 'up' | 'down' | 'status'): Promise<string>;
  /** The pid of a child; 0 while it does not run. */
  pid(service: string): number;
  /** The values of an instant query, now or at a Unix time in seconds. */
  query(expression: string, time?: number): Promise<number[]>;
  /** Kills the remaining processes and removes the folders. */
  dispose(): Promise<void>;
}

export async function createStack(settings: Record<string, string>): Promise<Stack> {
  const sandbox: Sandbox = await createSandbox(settings);
  const url = (port: string): string => `http://127.0.0.1:${sandbox.env[port]}`;
  return {
    env: sandbox.env,
    chatUrl: url('CHAT_PORT'),
    async command(name) {
      const { code, text } = await sandbox.run(name);
      if (code !== 0) throw new Error(text);
      return text;
    },
    pid(service) {
      const children = readState(sandbox.runDir)?.children ?? [];
      return children.find(({ name }) => name === service)?.pid ?? 0;
    },
    async query(expression, time) {
      const query = new URLSearchParams({ query: expression });
      if (time !== undefined) query.set('time', String(time));
      const response = await fetch(`${url('PROMETHEUS_PORT')}/api/v1/query?${query.toString()}`);
      const { data } = (await response.json()) as {
        data: { result: { value: [number, string] }[] };
      };
      return data.result.map(({ value }) => Number(value[1]));
    },
    dispose: () => sandbox[Symbol.asyncDispose](),
  };
}
