/** The contract of a channel: its kind with the settings, `deliver`, and the outcome of one call. Used by `channels/` and the worker. */
import { z } from 'zod';
import type { MarkdownStyle } from '../message/markdown.ts';
import type { Message } from '../message/message.ts';

export const retryReasons = [
  'clock',
  'network',
  'rate_limited',
  'server_error',
  'timeout',
  'unexpected_answer',
] as const;
export const deadReasons = ['refused', 'expired', 'channel_removed'] as const;

export type RetryReason = (typeof retryReasons)[number];
export type DeadReason = (typeof deadReasons)[number];

/**
 * `detail` is one sentence for a person and contains no secret. `progress` is the channel's own record of what has been
 * delivered so far (parts of a long message, recipients of an email); the outbox keeps it and passes it to the next call.
 */
export type Delivery =
  /** `notice` is logged once: what was sent differs from what was configured. */
  | {
      kind: 'delivered';
      detail?: string;
      notice?: string;
      /** The channel's own template failed; the built-in text was sent. */
      isTemplateFailure?: boolean;
    }
  | { kind: 'partial'; progress: string; notice?: string }
  | {
      kind: 'retry';
      reason: RetryReason;
      /** Minimum wait before the next attempt, as the vendor requests it; 0: the backoff decides. */
      afterSeconds: number;
      detail: string;
      progress?: string;
      /** The receiver answered with an error that may be about this content. */
      isRefusal?: boolean;
    }
  | {
      kind: 'dead';
      reason: DeadReason;
      detail: string;
      progress?: string;
      /** Refused because of a mention. */
      isMention?: boolean;
    };

/** At most `count` calls in any window of `perSeconds`. */
export interface Rate {
  count: number;
  perSeconds: number;
}

export interface Call {
  /** Idempotency key: the same for every attempt to deliver the same message, so that a receiver can recognise a repeat. */
  id: string;
  /** The progress that the previous call returned; null at the first call. */
  progress: string | null;
  /** Aborted when the notifier stops. */
  signal: AbortSignal;
}

/** Liquid for the title and the body of a message, in place of the built-in text. */
export interface OwnTexts {
  title?: string | undefined;
  body?: string | undefined;
}

export interface Channel {
  /** Unique among the configured channels; the `channel` label of the metrics. */
  name: string;
  texts?: OwnTexts;
  /** The markup of its texts; CommonMark by default. */
  style?: MarkdownStyle;
  /** Rate limits; all of them apply. Empty: the channel is not limited. */
  rates?: readonly Rate[];
  /** Makes one call. A failure of the receiver is returned as a `Delivery`; the promise is not rejected. */
  deliver(message: Message, call: Call): Promise<Delivery>;
  /**
   * The message as this channel sends it, for people: without secrets and signatures. `template` is tried in place of the channel's
   * own, by a channel that has one.
   * @throws Error of a template that fails.
   */
  show?(message: Message, template?: string): string;
  /** The kind has a template of its own, which gives more than the body. */
  hasTemplate?: boolean;
  /** True if messages reach nobody, but are only listed. */
  storesOnly?: boolean;
  /** Closes connections. */
  close?(): void;
}

/** Only tests set these. */
export interface CallOptions {
  timeoutSeconds?: number;
  /** Milliseconds since 1970. */
  now?: () => number;
}

/** An entry of `kinds` in `channels.ts`. */
export interface ChannelKind<Schema extends z.ZodType = z.ZodType> {
  kind: string;
  /** Keys of a channel in NOTIFIER_CONFIG besides `name` and `kind`. */
  settings: Schema;
  /** Key of `settings` → environment variable. The variables configure one channel of this kind without NOTIFIER_CONFIG. `NAME_FILE` names a file instead. */
  environment: Readonly<Record<string, string>>;
  create(name: string, settings: z.infer<Schema>, options?: CallOptions): Channel;
}

/** Types `create` by the schema of the same kind, then erases that type so that kinds fit into one list. */
export function defineKind<Schema extends z.ZodType>(kind: ChannelKind<Schema>): ChannelKind {
  return {
    ...kind,
    create: (name, settings, options) => kind.create(name, settings as z.infer<Schema>, options),
  };
}

/** People to @-mention while an alert is firing. */
export const mentions = z
  .strictObject({
    users: z.array(z.string().min(1)).default([]),
    all: z.boolean().default(false),
  })
  .default({ users: [], all: false });

/** One fixed word in every message, digests and parts included, so that a robot that checks a keyword accepts each of them. */
export const keyword = z.string().default('llamascope');

/** Reduces a vendor's limits to 90 %, because other programs may call the same robot. */
export function withHeadroom(rates: readonly Rate[]): Rate[] {
  return rates.map((rate) => ({ ...rate, count: Math.floor(rate.count * 0.9) }));
}

/**
 * Returns a function that replaces every secret, plain or URL-encoded, by `***`: a vendor's answer may repeat them. Secrets
 * shorter than four characters stay, because replacing them would garble the text.
 */
export function createRedaction(
  secrets: readonly (string | undefined)[],
): (text: string) => string {
  const known = secrets
    .filter((secret) => secret !== undefined && secret.length >= 4)
    .flatMap((secret = '') => [secret, encodeURIComponent(secret)])
    // Longest first: a URL contains its token.
    .toSorted((one, other) => other.length - one.length);
  return (text) => known.reduce((rest, secret) => rest.replaceAll(secret, '***'), text);
}
