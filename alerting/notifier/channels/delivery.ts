/** What a channel is, and what can become of one call of it; used by every channel and the worker. */
import type { Message } from '../message/message.ts';

export const retryReasons = [
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
 * `detail` is one sentence for a person, without any secret. `progress` is the channel's own note of what is through
 * already (parts of a long message, recipients of an email): the next call gets it back, across restarts too.
 */
export type Delivery =
  | { kind: 'delivered'; detail?: string }
  | { kind: 'partly'; progress: string }
  | {
      kind: 'retry';
      reason: RetryReason;
      /** The least wait that the vendor asks for; 0 leaves it to the backoff. */
      afterSeconds: number;
      detail: string;
      progress?: string;
    }
  | { kind: 'dead'; reason: DeadReason; detail: string; progress?: string };

/** How often a robot may be called: at most `count` times in any `perSeconds`. */
export interface Rate {
  count: number;
  perSeconds: number;
}

export interface Call {
  /** The same for every attempt to tell the same thing, for channels that can recognise it. */
  id: string;
  /** Of the last call, or null at the first. */
  progress: string | null;
  /** Aborted when the notifier has to stop. */
  signal: AbortSignal;
}

export interface Channel {
  /** Unique among the configured channels; the `channel` label of the metrics. */
  name: string;
  /** All of them hold; unlimited when left out. */
  rates?: readonly Rate[];
  /** One call. Never rejects for what the other side does: that is a `Delivery`. */
  deliver(message: Message, call: Call): Promise<Delivery>;
  /** Lets connections go. */
  close?(): void;
}

/** Nine tenths of what a vendor allows: somebody else may use the robot, too. */
export function underLimit(rates: readonly Rate[]): Rate[] {
  return rates.map((rate) => ({ ...rate, count: Math.floor(rate.count * 0.9) }));
}
