/** What a channel is, and what can become of one attempt to deliver; used by every channel and the worker. */
import type { Message } from './message.ts';

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

/** `detail` is one sentence for a person, without any secret. */
export type Delivery =
  | { kind: 'delivered' }
  | {
      kind: 'retry';
      reason: RetryReason;
      /** The least wait that the vendor asks for; 0 leaves it to the backoff. */
      afterSeconds: number;
      detail: string;
    }
  | { kind: 'dead'; reason: DeadReason; detail: string };

/** How often a robot may be called: at most `count` times in any `perSeconds`. */
export interface Rate {
  count: number;
  perSeconds: number;
}

export interface Channel {
  /** Unique among the configured channels; the `channel` label of the metrics. */
  name: string;
  /** Unlimited when left out. */
  rate?: Rate;
  /** Never rejects for what the other side does: that is a `Delivery`. An aborted `signal` ends the attempt. */
  deliver(message: Message, signal: AbortSignal): Promise<Delivery>;
}
