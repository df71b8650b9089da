/** Every kind of channel, one line each. A new one is a file in `channels/` and a line here. */
import { z } from 'zod';
import type { ChannelKind } from './channel-kind.ts';
import { dingtalk } from './dingtalk.ts';
import { email } from './email.ts';
import { feishu } from './feishu.ts';
import { createInbox, inbox } from './inbox.ts';
import { webhook } from './webhook.ts';
import { wecom } from './wecom.ts';
import type { Channel } from './delivery.ts';
import type { Settings } from '../../../src/kit/settings.ts';

const kinds: readonly ChannelKind[] = [dingtalk, wecom, feishu, email, webhook, inbox];

/** The variable of each kind that has one: the address of its robot or server. */
export const channelVariables: readonly string[] = kinds.flatMap(({ environment }) =>
  environment['url'] === undefined ? [] : [environment['url']],
);

/** The channels of the short variables, one a kind. */
export function channelsFromEnvironment(settings: Settings): Channel[] {
  return kinds.flatMap((kind) => {
    const entries = Object.entries(kind.environment).flatMap(([key, variable]) => {
      const value = settings.secret(variable);
      return value === undefined ? [] : [[key, value] as const];
    });
    if (entries.length === 0) return [];
    const variables = entries.map(([key]) => kind.environment[key]).join(', ');
    return createChannel(kind, kind.kind, Object.fromEntries(entries), (key, sentence) => {
      const variable = kind.environment[key] ?? kind.kind;
      settings.problem(`${variable}: ${sentence ?? `expected beside ${variables}, got none`}`);
    });
  });
}

/** One entry of `channels` in NOTIFIER_CONFIG; `place` names it in a problem. */
export function channelFromFile(entry: unknown, place: string, settings: Settings): Channel[] {
  const named = z.looseObject({ name: z.string().regex(/^[\w.-]+$/), kind: z.string() });
  const parsed = named.safeParse(entry);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      settings.problem(`${[place, ...path].join('.')}: ${message}`);
    }
    return [];
  }
  const { name, kind: wanted, ...given } = parsed.data;
  const kind = kinds.find((candidate) => candidate.kind === wanted);
  if (kind === undefined) {
    const known = kinds.map((each) => each.kind).join(', ');
    settings.problem(`${place}.kind: expected one of ${known}, got "${wanted}"`);
    return [];
  }
  return createChannel(kind, name, readFiles(given, place, settings), (key, sentence) => {
    settings.problem(`${place}${key && '.'}${key}: ${sentence ?? 'expected a value, got none'}`);
  });
}

/** The inbox, so that nothing is ever lost for lack of a robot. */
export function defaultChannels(): Channel[] {
  return [createInbox()];
}

function createChannel(
  kind: ChannelKind,
  name: string,
  given: Record<string, unknown>,
  /** Without a sentence the setting is missing. */
  problem: (key: string, sentence: string | undefined) => void,
): Channel[] {
  const parsed = kind.settings.safeParse(given);
  if (parsed.success) return [kind.create(name, parsed.data)];
  for (const { path, message, code } of parsed.error.issues) {
    const key = String(path[0] ?? '');
    problem(key, code === 'invalid_type' && !(key in given) ? undefined : message);
  }
  return [];
}

/** `url_file: /run/secrets/robot` stands for `url` with the content of that file. */
function readFiles(
  given: Record<string, unknown>,
  place: string,
  settings: Settings,
): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(given).flatMap(([key, value]) => {
      if (!key.endsWith('_file') || typeof value !== 'string') return [[key, value]];
      const content = settings.file(`${place}.${key}`, value);
      return content === undefined ? [] : [[key.slice(0, -'_file'.length), content]];
    }),
  );
}
