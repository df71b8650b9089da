/** The notifier's settings from the environment; every problem in one error, no secret in it. */
import { readFileSync } from 'node:fs';
import type { Locale } from './message.ts';

export interface NotifierConfig {
  host: string;
  port: number;
  db: string;
  locale: Locale;
  timeZone: string;
  token: string | undefined;
  dingtalk: { url: string; secret: string | undefined } | undefined;
}

/** @throws Error that lists what was expected and what came. */
export function readNotifierConfig(env: NodeJS.ProcessEnv): NotifierConfig {
  const problems: string[] = [];
  const secret = (name: string): string | undefined => {
    const file = env[`${name}_FILE`];
    if (!file) return env[name] || undefined;
    try {
      return readFileSync(file, 'utf8').trim() || undefined;
    } catch {
      problems.push(`${name}_FILE: expected a readable file, got "${file}"`);
      return undefined;
    }
  };
  const port = Number(env['NOTIFIER_PORT'] || 8060);
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    problems.push(`NOTIFIER_PORT: expected a port from 0 to 65535, got "${env['NOTIFIER_PORT']}"`);
  }
  const locale = env['NOTIFIER_LOCALE'] || 'zh-CN';
  if (locale !== 'zh-CN' && locale !== 'en') {
    problems.push(`NOTIFIER_LOCALE: expected "zh-CN" or "en", got "${locale}"`);
  }
  const url = secret('DINGTALK_URL');
  if (url !== undefined && !URL.canParse(url)) {
    problems.push('DINGTALK_URL: expected the URL of a robot, got something that is no URL');
  }
  if (problems.length > 0) throw new Error(`The settings are wrong:\n  ${problems.join('\n  ')}`);
  return {
    host: env['NOTIFIER_HOST'] || '127.0.0.1',
    port,
    db: env['NOTIFIER_DB'] || 'data/notifier.db',
    locale: locale as Locale,
    timeZone: env['TZ'] || Intl.DateTimeFormat().resolvedOptions().timeZone,
    token: secret('NOTIFIER_TOKEN'),
    dingtalk: url === undefined ? undefined : { url, secret: secret('DINGTALK_SECRET') },
  };
}
