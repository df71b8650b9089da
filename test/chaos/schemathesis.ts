/**
 * `make fuzz`: runs schemathesis (https://schemathesis.readthedocs.io) over /openapi.json of the real service: every answer has a
 * documented status and body, and none is a server error. A real Alertmanager is beside it, for silences. CASES (5000) is divided among
 * the operations; SEED (1) selects them. Other arguments are those of schemathesis. It is installed from pip's index into .tools/.
 */
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { startAlertmanagerNode } from '../support/alerting/alertmanager-node.ts';
import { startChatService } from '../support/api/chat-service.ts';

const folder = fileURLToPath(new URL('../../.tools/schemathesis', import.meta.url));
const program = `${folder}/bin/schemathesis`;
const cases = Number(process.env['CASES'] ?? 5000);
const seed = process.env['SEED'] ?? '1';
/** Has a check in place of the one that is excluded below. */
const rules = fileURLToPath(new URL('schemathesis-rules.py', import.meta.url));

/** @returns the exit code. Meanwhile this process reads the log of the service, which would block on a full pipe. */
async function run(command: string, args: readonly string[]): Promise<number | null> {
  const env = { ...process.env, SCHEMATHESIS_HOOKS: rules };
  const [code] = await once(spawn(command, args, { stdio: 'inherit', env }), 'exit');
  return code as number | null;
}

if (!existsSync(program)) {
  const isReady =
    (await run('python3', ['-m', 'venv', folder])) === 0 &&
    (await run(`${folder}/bin/pip`, ['install', '--quiet', 'schemathesis==4.32.5'])) === 0;
  if (!isReady)
    throw new Error('schemathesis cannot be installed: python3 with venv and pip is needed.');
}

const config = JSON.stringify({ route: { receiver: 'nobody' }, receivers: [{ name: 'nobody' }] });
const alertmanager = await startAlertmanagerNode({ config });
const service = await startChatService({
  CHAT_EMBEDDINGS: 'true',
  CHAT_STRICT_MODEL: 'false',
  // So that an answer without max_tokens ends soon.
  CHAT_CONTEXT: '512',
  ALERTMANAGER_URL: alertmanager.url,
});
const document = `${service.url}/openapi.json`;
const { paths } = (await (await fetch(document)).json()) as { paths: object };
const operations = Object.values(paths).flatMap((path: object) => Object.keys(path)).length;
const options = `--checks all --exclude-checks positive_data_acceptance --seed ${seed} --continue-on-failure --no-color --request-timeout 60 --generation-database none --max-examples ${Math.ceil(cases / operations)}`;
const status = await run(program, [
  'run',
  document,
  ...options.split(' '),
  ...process.argv.slice(2),
]);
const isAlive = service.process.exitCode === null;
await service.stop();
await alertmanager.stop();
process.exit(status === 0 && isAlive ? 0 : 1);
