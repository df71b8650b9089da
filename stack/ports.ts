/** Whether a port is free, and who holds it when it is not. Used by `make up` before it starts anything, in both modes. */
import { readdirSync, readFileSync, readlinkSync } from 'node:fs';
import { createServer } from 'node:net';
import { messages, StackError } from './messages.ts';
import type { Settings } from './settings.ts';

const LISTEN = '0A';

/** @throws StackError that names the first port that cannot be had, why, and the variable that moves it. */
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

/** `code` says why it could not be done; for port 0 the answer names a free one. */
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

/** `node (process 123)`; undefined when the holder is another user's. */
function portHolder(port: number): string | undefined {
  const sockets = new Set(listeningInodes(port).map((inode) => `socket:[${inode}]`));
  const pid = readdirSync('/proc')
    .filter((entry) => /^\d+$/.test(entry))
    .find((entry) => openFiles(entry).some((file) => sockets.has(file)));
  if (pid === undefined) return undefined;
  return `${readFileSync(`/proc/${pid}/comm`, 'utf8').trim()} (process ${pid})`;
}

function listeningInodes(port: number): string[] {
  return ['tcp', 'tcp6'].flatMap((table) => {
    const lines = readText(`/proc/net/${table}`).trim().split('\n').slice(1);
    return lines
      .map((line) => line.trim().split(/\s+/))
      .filter(([, local, , state]) => {
        return state === LISTEN && Number.parseInt(local?.split(':')[1] ?? '', 16) === port;
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
    // Gone, or another user's.
    return [];
  }
}
