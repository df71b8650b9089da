/** Adds the second channel of `email.yml` to an Alertmanager configuration; used by `configuration.ts`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, type Document } from 'yaml';
import { messages, StackError } from '../messages.ts';
import type { Mail } from '../settings.ts';

interface Fragment {
  routes: object[];
  receiver: { name: string; email_configs: object[] };
}

const loopback = /^(localhost|127\..*|\[?::1\]?)$/;

/**
 * `smtp://` has to offer STARTTLS unless it is on this machine, as the notifier asks it to.
 * @param writeSecret Keeps the password in a file of the run folder and answers its path.
 * @throws StackError when Alertmanager cannot speak to such a server. The URL, which holds a password, is not shown.
 */
export function addEmail(
  alertmanager: Document,
  { url: given, from, to }: Mail,
  writeSecret: (secret: string) => string,
): void {
  const url = parseServer('file' in given ? readSecret(given.file) : given.value);
  const file = join(import.meta.dirname, 'email.yml');
  const { routes, receiver } = parse(readFileSync(file, 'utf8')) as Fragment;
  const server = {
    to,
    from,
    smarthost: `${url.hostname}:${url.port || (url.protocol === 'smtps:' ? 465 : 587)}`,
    require_tls: url.protocol === 'smtp:' && !loopback.test(url.hostname),
    ...(url.username !== '' && {
      auth_username: decodeURIComponent(url.username),
      auth_password_file: writeSecret(decodeURIComponent(url.password)),
    }),
  };
  const configured = {
    ...receiver,
    email_configs: receiver.email_configs.map((config) => Object.assign(config, server)),
  };
  alertmanager.addIn(['receivers'], alertmanager.createNode(configured));
  // The first route that matches wins: these go before those by severity, and pass the alert on.
  const existing = alertmanager.getIn(['route', 'routes']) as { items: unknown[] };
  existing.items.unshift(...routes.map((route) => alertmanager.createNode(route)));
}

function readSecret(file: string): string {
  try {
    return readFileSync(file, 'utf8').trim();
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code ?? 'an error';
    const problem = `SMTP_URL_FILE: expected a readable file, got ${code} for ${file}`;
    throw new StackError(messages.settingsWrong([problem]), { cause: error });
  }
}

function parseServer(given: string): URL {
  const url = URL.parse(given);
  const isMail = url?.protocol === 'smtp:' || url?.protocol === 'smtps:';
  // Alertmanager begins with TLS on this port and on no other.
  const isSpoken = url?.protocol !== 'smtps:' || ['', '465'].includes(url.port);
  if (url !== null && isMail && isSpoken && url.hostname !== '') return url;
  const expected = 'expected smtp://… or smtps://… on port 465, got something else (not shown)';
  throw new StackError(messages.settingsWrong([`SMTP_URL: ${expected}`]));
}
