import { readFileSync } from 'node:fs';

/** Whether `host` is this machine: an address of 127.0.0.0/8, also as IPv6 or in brackets as in a URL, ::1, or "localhost". */
export function isLoopback(host: string): boolean {
  return /^(localhost|(::ffff:)?127\.\d+\.\d+\.\d+|::1)$/i.test(host.replaceAll(/^\[|\]$/g, ''));
}

/**
 * The IPv4 address of the default gateway, in a container that of its engine; undefined where the kernel shows none. `routes` is
 * /proc/net/route, whose addresses are little-endian hexadecimal numbers (https://man7.org/linux/man-pages/man5/proc_pid_net.5.html).
 */
export function readGateway(routes = readRoutes()): string | undefined {
  const [, gateway] = /^\S+\t0{8}\t([\dA-F]{8})\t/m.exec(routes) ?? [];
  return gateway && Buffer.from(gateway, 'hex').toReversed().join('.');
}

function readRoutes(): string {
  try {
    return readFileSync('/proc/net/route', 'utf8');
  } catch {
    return '';
  }
}
