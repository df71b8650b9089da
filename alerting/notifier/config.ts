/** Environment → one checked Config. Every problem is told in one error; no secret is part of it. */
import { channelsFromSettings } from './channels.ts';
import type { Channel } from './delivery.ts';
import { locales } from './message-texts.ts';
import type { Locale } from './message-texts.ts';
import { createSettings } from './settings.ts';
import type { Settings } from './settings.ts';

export interface Config {
  host: string;
  port: number;
  /** The outbox file. */
  db: string;
  locale: Locale;
  /** IANA name, from TZ or the system. */
  timeZone: string;
  token: string | undefined;
  channels: Channel[];
  /** Route of the webhook URL → names of its channels. */
  routes: Map<string, string[]>;
}

/** @throws Error that lists every setting that is wrong, what was expected and what came. */
export function readConfig(env: NodeJS.ProcessEnv): Config {
  const settings = createSettings(env);
  const channels = channelsFromSettings(settings);
  const config: Config = {
    host: settings.text('NOTIFIER_HOST') ?? '127.0.0.1',
    port: readPort(settings),
    db: settings.text('NOTIFIER_DB') ?? 'data/notifier.db',
    locale: readLocale(settings),
    timeZone: readTimeZone(settings),
    token: settings.secret('NOTIFIER_TOKEN'),
    channels,
    routes: new Map([['default', channels.map(({ name }) => name)]]),
  };
  if (settings.problems.length === 0) return config;
  throw new Error(`The settings are wrong:\n  ${settings.problems.join('\n  ')}`);
}

function readPort(settings: Settings): number {
  const given = settings.text('NOTIFIER_PORT') ?? '8060';
  const port = Number(given);
  if (/^\d+$/.test(given) && port <= 65_535) return port;
  settings.problem(`NOTIFIER_PORT: expected an integer from 0 to 65535, got "${given}"`);
  return 0;
}

function readLocale(settings: Settings): Locale {
  const given = settings.text('NOTIFIER_LOCALE') ?? 'zh-CN';
  const locale = locales.find((known) => known === given);
  if (locale !== undefined) return locale;
  settings.problem(`NOTIFIER_LOCALE: expected ${locales.join(' or ')}, got "${given}"`);
  return 'en';
}

function readTimeZone(settings: Settings): string {
  const given = settings.text('TZ');
  try {
    return new Intl.DateTimeFormat('en', given ? { timeZone: given } : {}).resolvedOptions()
      .timeZone;
  } catch {
    settings.problem(`TZ: expected an IANA time zone like Asia/Shanghai, got "${given}"`);
    return 'UTC';
  }
}
