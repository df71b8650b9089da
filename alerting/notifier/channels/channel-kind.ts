/** What a kind of channel tells of itself: its settings, their short environment variables, how one is made. Used by every file in `channels/`. */
import { z } from 'zod';
import type { Channel } from './delivery.ts';

export interface ChannelKind<Schema extends z.ZodType = z.ZodType> {
  kind: string;
  /** The keys of a channel in NOTIFIER_CONFIG, beside `name` and `kind`; unknown ones are refused. */
  settings: Schema;
  /** Setting → variable of the one channel that needs no file. Each can be read from a file: `NAME_FILE`. */
  environment: Readonly<Record<string, string>>;
  create(name: string, settings: z.infer<Schema>): Channel;
}

/** Keeps the type of the schema for `create` and forgets it for the list in `channels.ts`. */
export function defineKind<Schema extends z.ZodType>(kind: ChannelKind<Schema>): ChannelKind {
  return { ...kind, create: (name, settings) => kind.create(name, settings as z.infer<Schema>) };
}

/** An http(s) URL; what was given instead is not part of the problem, since it may be half a secret. */
export const webUrl = z.string().transform((given, context) => {
  const url = URL.parse(given);
  if (url?.protocol === 'https:' || url?.protocol === 'http:') return url;
  context.addIssue('expected an http or https URL, got something else (not shown)');
  return z.NEVER;
});

/** Whom a robot calls by name while an alert fires. */
export const mentions = z
  .strictObject({
    users: z.array(z.string().min(1)).default([]),
    all: z.boolean().default(false),
  })
  .default({ users: [], all: false });
