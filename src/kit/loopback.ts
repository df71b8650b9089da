/** Whether `host` is this machine: an address of 127.0.0.0/8, also as IPv6 or in brackets as in a URL, ::1, or "localhost". */
export function isLoopback(host: string): boolean {
  return /^(localhost|(::ffff:)?127\.\d+\.\d+\.\d+|::1)$/i.test(host.replaceAll(/^\[|\]$/g, ''));
}
