/** Adds the email receiver of `email.yml` to an Alertmanager configuration. Used by `configuration.ts`. */
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { parse, type Document } from 'yaml';
import { isLoopback } from '../../src/kit/loopback.ts';
import { messages } from '../messages.ts';
import { readSecret, type Mail } from '../settings.ts';
import { StackError } from '../terminal.ts';

interface Fragment {
  routes: object[];
  receiver: { name: string; email_configs: object[] };
}

/**
 * `smtp://` requires STARTTLS unless the server runs on this machine; the notifier has the same rule.
 * @param writePassword Stores the password in a file of the run folder and returns its path.
 * @throws StackError when Alertmanager does not support the URL, which is not shown because it contains a password.
 */
export function addEmail(
  alertmanager: Document,
  { url: given, from, to }: Mail,
  writePassword: (password: string) => string,
): void {
  const url = parseServer(readSecret('SMTP_URL', given));
  const file = join(import.meta.dirname, 'email.yml');
  const { routes, receiver } = parse(readFileSync(file, 'utf8')) as Fragment;
  const server = {
    to,
    from,
    smarthost: `${url.hostname}:${url.port || (url.protocol === 'smtps:' ? 465 : 587)}`,
    require_tls: url.protocol === 'smtp:' && !isLoopback(url.hostname),
    ...(url.username !== '' && {
      auth_username: decodeURIComponent(url.username),
      auth_password_file: writePassword(decodeURIComponent(url.password)),
    }),
  };
  const configured = {
    ...receiver,
    email_configs: receiver.email_configs.map((config) => Object.assign(config, server)),
  };
  alertmanager.addIn(['receivers'], alertmanager.createNode(configured));
  // The first matching route wins, so these precede the routes by severity; `continue` passes the alert on to them.
  const existing = alertmanager.getIn(['route', 'routes']) as { items: unknown[] };
  existing.items.unshift(...routes.map((route) => alertmanager.createNode(route)));
}

function parseServer(given: string): URL {
  const url = URL.parse(given);
  const isSmtp = url?.protocol === 'smtp:';
  // Alertmanager starts with TLS on port 465 only.
  const isSmtps = url?.protocol === 'smtps:' && ['', '465'].includes(url.port);
  if ((isSmtp || isSmtps) && url.hostname !== '') return url;
  const expected = 'expected smtp://… or smtps://… on port 465, got something else (not shown)';
  throw new StackError(messages.settingsWrong([`SMTP_URL: ${expected}`]));
}
