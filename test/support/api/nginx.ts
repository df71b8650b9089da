/** Runs nginx for tests. `make test` runs this file as `node test/support/api/nginx.ts`, which fetches nginx. */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { readSettings } from '../../../stack/settings.ts';
import { ensureNginx, findNginx } from '../../../stack/native/tools/nginx.ts';
import { runCommand } from '../../../stack/terminal.ts';
import { connects } from '../stack/containers.ts';
import { until } from '../until.ts';

/** Runs nginx with this `server` block until `stop` is called. @throws Error with its log if it ends. */
export function startNginx(server: string, port: number): Promise<{ stop(): Promise<void> }> {
  const paths = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
    .map((name) => `  ${name}_temp_path ${name};\n`)
    .join('');
  return runNginx(
    `daemon off;\npid pid;\nworker_processes 1;\nevents {}\nhttp {\n  access_log off;\n${paths}${server}\n}\n`,
    port,
  );
}

/** Like `startNginx`, with a whole configuration. */
export async function runNginx(text: string, port: number): Promise<{ stop(): Promise<void> }> {
  const { toolsDir } = readSettings({});
  const program = findNginx(process.env['PATH'] ?? '', toolsDir);
  if (program === undefined) throw new Error('nginx: run `node test/support/api/nginx.ts`');
  const folder = mkdtempSync(join(tmpdir(), 'nginx-'));
  writeFileSync(join(folder, 'nginx.conf'), text);
  const args = ['-p', folder, '-e', 'stderr', '-c', join(folder, 'nginx.conf')];
  const child = spawn(program, args, { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  child.stderr.on('data', (chunk: Buffer) => (log += chunk.toString()));
  const exited = once(child, 'exit');
  await until(() => {
    if (child.exitCode !== null) throw new Error(`nginx ended: ${log}`);
    return connects(port, '127.0.0.1');
  });
  return {
    async stop() {
      child.kill('SIGTERM');
      await exited;
    },
  };
}

if (process.argv[1] === import.meta.filename) {
  await runCommand(async () => {
    await ensureNginx(process.env['PATH'] ?? '', readSettings(process.env).toolsDir);
    return 0;
  });
}
