/** Checks that every port is free. Used by `make up` before it starts anything, in both modes. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { messages } from './messages.ts';
import type { Settings } from './settings.ts';
import { StackError } from './terminal.ts';

/** TCP_LISTEN in /proc/net/tcp, see proc_pid_net(5). */
const listenState = '0A';

/** @throws StackError for the first port that is not available, with the reason and the variable that changes it. */
export async function refuseTakenPorts({ instances }: Pick<Settings, 'instances'>): Promise<void> {
  for (const { name, address } of instances) {
    const { host, port, variable } = address;
    const { code } = await listenBriefly(port, host);
    if (code === undefined) continue;
    if (code !== 'EADDRINUSE') {
      throw new StackError(messages.portRefused({ port, name, host, code, variable }));
    }
    const { port: freePort } = await listenBriefly(0, host);
    throw new StackError(
      messages.portTaken({ port, name, holder: portHolder(port), variable, freePort }),
    );
  }
}

/** Opens and closes a server. `code` is undefined on success; with port 0 the returned port is a free one. */
async function listenBriefly(
  port: number,
  host: string,
): Promise<{ port: number; code: string | undefined }> {
  const server = createServer();
  const code = await new Promise<string | undefined>((resolve) => {
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message));
    server.listen(port, host, () => resolve(undefined));
  });
  const address = server.address();
  server.close();
  return { port: typeof address === 'object' && address !== null ? address.port : port, code };
}

/** Undefined when the process belongs to another user. */
function portHolder(port: number): { program: string; pid: number } | undefined {
  const sockets = new Set(listeningInodes(port).map((inode) => `socket:[${inode}]`));
  const pid = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .find((entry) => openFiles(entry).some((file) => sockets.has(file)));
  if (pid === undefined) return undefined;
  return { program: readFileSync(`/proc/${pid}/comm`, 'utf8').trim(), pid: Number(pid) };
}

function listeningInodes(port: number): string[] {
  return ['tcp', 'tcp6'].flatMap((table) => {
    const lines = readText(`/proc/net/${table}`).trim().split('\n').slice(1);
    return lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => {
        return state === listenState && Number.parseInt(local?.split(':')[1] ?? '', 16) === port;
      })
      .map((fields) => fields[9] ?? '');
  });
}

function readText(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch {
    // A kernel without IPv6 has no tcp6.
    return '';
  }
}

function openFiles(pid: string): string[] {
  try {
    return readdirSync(`/proc/${pid}/fd`).map((fd) => readlinkSync(`/proc/${pid}/fd/${fd}`));
  } catch {
    // Ended, or another user's.
    return [];
  }
}
