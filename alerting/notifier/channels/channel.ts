/** What a channel is to the notifier: a message in, what became of it out, as a value. */
import type { Message } from '../message.ts';

export type Delivery =
  | { kind: 'delivered' }
  /** `afterSeconds` where the vendor says how long to wait. */
  | { kind: 'retry'; reason: string; afterSeconds?: number }
  | { kind: 'dead'; reason: string };

export interface Channel {
  /** Also the `channel` label of the metrics. */
  readonly name: string;
  /** The vendor's limit, kept to beforehand. */
  readonly perMinute: number;
  /** Never rejects, and its reasons hold neither URL nor secret. */
  deliver(message: Message): Promise<Delivery>;
}
