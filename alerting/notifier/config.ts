/** Reads and checks the environment and NOTIFIER_CONFIG. One error lists every problem and contains no secret. */
import { parseDocument } from 'yaml';
import { z } from 'zod';
import { languageOf } from '../../src/kit/language.ts';
import {
  createSettings,
  hostNames,
  integer,
  port,
  requireKeyBeyondLoopback,
} from '../../src/kit/settings.ts';
import type { Settings } from '../../src/kit/settings.ts';
import { channelFromFile, channelsFromEnvironment } from './channels/channels.ts';
import { inbox } from './channels/inbox/inbox.ts';
import type { Channel } from './channels/channel.ts';
import { isLoopback } from '../../src/kit/loopback.ts';
import type { PublicUrls } from './message/links.ts';
import { texts } from './message/message-texts.ts';
import { template } from './message/template.ts';
import { findZone, readTz, systemZone } from './message/time.ts';
import { parseMatchers } from './routes.ts';
import type { Matcher, Route } from './routes.ts';

const maxSeconds = 86_400;

export type Config = ReturnType<typeof readConfig>;

/** @throws Error that lists every invalid setting with the expected and the actual value. */
export function readConfig(env: NodeJS.ProcessEnv) {
  const settings = createSettings(env);
  const file = readConfigFile(settings);
  const configured = [...channelsFromEnvironment(settings), ...file.channels];
  const channels = configured.length > 0 ? configured : [inbox.create('inbox', {})];
  checkNames(channels, file.routes, settings);
  const host = settings.text('NOTIFIER_HOST') ?? '127.0.0.1';
  const listenPort = settings.read('NOTIFIER_PORT', port(0), 8060);
  const url = settings.secretUrl('NOTIFIER_URL')?.href ?? `http://${host}:${listenPort}`;
  const prometheusUrl = settings.secretUrl('PROMETHEUS_URL');
  const warnings: string[] = [];
  const insideHosts = [url, prometheusUrl?.href ?? url].flatMap(hostOf);
  const publicUrls = {
    ...readPublicUrls(settings, url.replace(/\/$/, ''), configured.length > 0, warnings),
    insideHosts,
  };
  const config = {
    host,
    /** Names under which others reach the notifier. */
    names: [
      host,
      ...settings.read('NOTIFIER_PUBLIC_HOST', hostNames, []),
      ...[url, publicUrls.notifier ?? url].flatMap(hostOf),
    ],
    port: listenPort,
    /** URL of the notifier for a browser, without a trailing slash. Links in messages start with this URL. */
    url: url.replace(/\/$/, ''),
    /** Path of the outbox file. */
    db: settings.text('NOTIFIER_DB') ?? 'data/notifier.db',
    locale: settings.read('NOTIFIER_LOCALE', locale, defaultLocale[languageOf(env)]),
    timeZone: readTimeZone(settings, warnings),
    publicUrls,
    /** Sentences for the log at the start and for `make notify-test`. */
    warnings,
    token: settings.secret('NOTIFIER_TOKEN'),
    channels,
    routes: file.routes,
    /** Both are required for the reconciliation. */
    prometheusUrl,
    alertmanagerUrl: settings.secretUrl('ALERTMANAGER_URL'),
    /** The reconciliation sends an alert that Alertmanager has not sent for this long; 0: no reconciliation. */
    reconcileSeconds: settings.read('NOTIFIER_RECONCILE_SECONDS', integer(0, maxSeconds), 300),
    /** The notifier raises an alert if no Watchdog has arrived for this long; 0: never. */
    watchdogSeconds: settings.read('NOTIFIER_WATCHDOG_SECONDS', integer(0, maxSeconds), 300),
    /** URL that the notifier requests every minute while it can write to the outbox. */
    heartbeatUrl: settings.secretUrl('NOTIFIER_HEARTBEAT_URL'),
  };
  // A container listens on all its addresses, and is reached under the published one.
  const published = settings.text('NOTIFIER_PUBLISHED_HOST');
  requireKeyBeyondLoopback(settings, {
    hosts:
      published === undefined
        ? { NOTIFIER_HOST: [host] }
        : { NOTIFIER_PUBLISHED_HOST: [published] },
    key: 'NOTIFIER_TOKEN',
    isSet: config.token !== undefined,
    permission: 'NOTIFIER_ALLOW_ANONYMOUS',
  });
  settings.throwProblems();
  return config;
}

const hostOf = (url: string): string | [] => URL.parse(url)?.hostname ?? [];

const defaultLocale = { en: 'en', zh: 'zh-CN' } as const;
const locales = Object.keys(texts) as (keyof typeof texts)[];
const locale = z.enum(locales, { error: `expected ${locales.join(' or ')}` });

/** Only NOTIFIER_TIME_ZONE can be wrong: TZ belongs to the whole system, and some of its forms have no zone in `Intl`. */
function readTimeZone(settings: Settings, warnings: string[]): string {
  const own = settings.text('NOTIFIER_TIME_ZONE');
  if (own !== undefined) {
    const zone = findZone(own);
    if (zone !== undefined) return zone;
    settings.problem(
      `NOTIFIER_TIME_ZONE: expected an IANA time zone like Asia/Shanghai, got "${own}"`,
    );
    return 'UTC';
  }
  const tz = settings.text('TZ');
  if (tz === undefined) return systemZone();
  const zone = readTz(tz);
  if (zone !== undefined) return zone;
  const system = systemZone();
  warnings.push(
    `TZ: expected an IANA time zone, got "${tz}"; times are shown in ${system}. NOTIFIER_TIME_ZONE sets another.`,
  );
  return system;
}

/** The addresses for a phone, with a warning for each that a phone could not open. */
function readPublicUrls(
  settings: Settings,
  url: string,
  isSending: boolean,
  warnings: string[],
): PublicUrls {
  const read = (name: string): string | undefined =>
    settings.secretUrl(name)?.href.replace(/\/$/, '');
  const urls = {
    notifier: read('NOTIFIER_PUBLIC_URL') ?? url,
    prometheus: read('PROMETHEUS_PUBLIC_URL'),
    jaeger: read('JAEGER_PUBLIC_URL'),
  };
  for (const name of ['notifier', 'prometheus'] as const) {
    const base = URL.parse(urls[name] ?? 'http://127.0.0.1:9090');
    if (!isSending || base === null || !isLoopback(base.hostname)) continue;
    warnings.push(
      `${name.toUpperCase()}_PUBLIC_URL: links in messages point to ${base.hostname}, which a phone cannot open. Set it to the address that people use.`,
    );
  }
  return urls;
}

const File = z.strictObject({
  channels: z.array(z.unknown()).default([]),
  routes: z
    .array(
      z.strictObject({
        path: z.string().optional(),
        match: z.array(z.string()).default([]),
        channels: z.array(z.string()).min(1, 'expected at least one channel'),
        continue: z.boolean().default(false),
        /** Liquid for what this route sends; preferred to the channel's. */
        title: z.string().optional(),
        body: z.string().optional(),
      }),
    )
    .default([]),
});

function readConfigFile(settings: Settings): { channels: Channel[]; routes: Route[] } {
  const path = settings.text('NOTIFIER_CONFIG');
  const nothing = { channels: [], routes: [] };
  const addProblem = (path: string, sentence: string): void => {
    settings.problem(`NOTIFIER_CONFIG: ${path}${path && ': '}${sentence}`);
  };
  if (path === undefined) return nothing;
  const text = settings.file('NOTIFIER_CONFIG', path);
  if (text === undefined) return nothing;
  const document = parseDocument(text);
  if (document.errors.length > 0) {
    // The parser's message quotes the lines around the error, which may contain a secret.
    for (const { code, linePos } of document.errors) {
      addProblem('', `invalid YAML in line ${linePos?.[0].line ?? '?'} (${code})`);
    }
    return nothing;
  }
  const parsed = File.safeParse(document.toJS() ?? {});
  if (!parsed.success) {
    for (const issue of parsed.error.issues) addProblem(issue.path.join('.'), issue.message);
    return nothing;
  }
  const channels = parsed.data.channels.flatMap((entry, index) =>
    channelFromFile(entry, `NOTIFIER_CONFIG: channels.${index}`, settings),
  );
  const routes = parsed.data.routes.map((route, index) => ({
    path: route.path,
    channels: route.channels,
    continue: route.continue,
    title: readText(route.title, (sentence) => addProblem(`routes.${index}.title`, sentence)),
    body: readText(route.body, (sentence) => addProblem(`routes.${index}.body`, sentence)),
    match: route.match.flatMap((matcher, position): Matcher[] => {
      try {
        return parseMatchers(matcher);
      } catch (error) {
        addProblem(`routes.${index}.match.${position}`, (error as Error).message);
        return [];
      }
    }),
  }));
  return { channels, routes };
}

/** Checks a template of a route. */
function readText(
  given: string | undefined,
  addProblem: (sentence: string) => void,
): string | undefined {
  const problem = template.optional().safeParse(given).error;
  if (problem !== undefined) addProblem(problem.issues[0]?.message ?? 'invalid');
  return given;
}

function checkNames(channels: Channel[], routes: Route[], settings: Settings): void {
  const names = channels.map(({ name }) => name);
  for (const name of new Set(names.filter((each, index) => names.indexOf(each) !== index))) {
    settings.problem(`NOTIFIER_CONFIG: channels: the name "${name}" is used twice`);
  }
  for (const name of new Set(routes.flatMap((route) => route.channels))) {
    if (names.includes(name)) continue;
    const known = names.join(', ');
    settings.problem(`NOTIFIER_CONFIG: routes: expected one of ${known}, got "${name}"`);
  }
}
