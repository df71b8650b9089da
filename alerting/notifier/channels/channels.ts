/** The kinds of channel, and channels from settings. A new kind is a file in `channels/` and an entry of `kinds`. */
import { z } from 'zod';
import type { Settings } from '../../../src/kit/settings.ts';
import { template } from '../message/template.ts';
import type { Channel, ChannelKind } from './channel.ts';
import { dingtalk } from './dingtalk/dingtalk.ts';
import { email } from './email/email.ts';
import { feishu } from './feishu/feishu.ts';
import { inbox } from './inbox/inbox.ts';
import { webhook } from './webhook/webhook.ts';
import { wecom } from './wecom/wecom.ts';

export const kinds: readonly ChannelKind[] = [dingtalk, wecom, feishu, email, webhook, inbox];

/** The environment variables that configure these kinds, with and without `_FILE`. */
export function variablesOf(kinds: readonly ChannelKind[]): string[] {
  const names = kinds.flatMap(({ environment }) => Object.values(environment));
  return names.flatMap((name) => [name, `${name}_FILE`]);
}

/** At most one channel of each kind, from environment variables. */
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
      settings.problem(`${variable}: ${sentence ?? `required when ${variables} is set`}`);
    });
  });
}

/** The channel of one entry of `channels` in NOTIFIER_CONFIG, or none and a problem; problems start with `place`. */
export function channelFromFile(entry: unknown, place: string, settings: Settings): Channel[] {
  const isObject = typeof entry === 'object' && entry !== null;
  const parsed = Named.safeParse(isObject ? readFiles({ ...entry }, place, settings) : entry);
  if (!parsed.success) {
    for (const { path, message } of parsed.error.issues) {
      settings.problem(`${[place, ...path].join('.')}: ${message}`);
    }
    return [];
  }
  const { name, kind: kindName, title, body, ...given } = parsed.data;
  const kind = kinds.find((candidate) => candidate.kind === kindName);
  if (kind === undefined) {
    const known = kinds.map((each) => each.kind).join(', ');
    settings.problem(`${place}.kind: expected one of ${known}, got "${kindName}"`);
    return [];
  }
  const created = createChannel(kind, name, given, (key, sentence) => {
    settings.problem(`${place}${key && '.'}${key}: ${sentence ?? 'required'}`);
  });
  for (const channel of created) channel.texts = { title, body };
  return created;
}

/** The keys that every channel has; the others belong to its kind. */
const Named = z.looseObject({
  name: z.string().regex(/^[\w.-]+$/),
  kind: z.string(),
  title: template.optional(),
  body: template.optional(),
});

function createChannel(
  kind: ChannelKind,
  name: string,
  given: Record<string, unknown>,
  /** `sentence` is undefined when the setting is missing. */
  addProblem: (key: string, sentence: string | undefined) => void,
): Channel[] {
  const parsed = kind.settings.safeParse(given);
  if (parsed.success) return [kind.create(name, parsed.data)];
  for (const { path, message, code } of parsed.error.issues) {
    const key = String(path[0] ?? '');
    addProblem(key, code === 'invalid_type' && !(key in given) ? undefined : message);
  }
  return [];
}

/** Replaces a key such as `url_file: /run/secrets/robot` by `url` with the content of that file. */
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
