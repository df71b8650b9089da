/** Messages between the tabs of this browser that show the same conversations. Web Locks would need HTTPS; this works over HTTP too. */
import type { Wait } from './wait.ts';

/** What an answer that is being generated looks like now. */
export interface Progress {
  turnId: string;
  text: string;
  wait?: Wait | undefined;
}

export type TabMessage =
  /** A conversation is stored anew, or removed; without an id: any of them. */
  | { type: 'changed'; id?: string }
  | ({ type: 'progress' } & Progress)
  /** Asks the tab that generates an answer for its progress. */
  | { type: 'who'; turnId: string }
  | { type: 'stop'; turnId: string };

const channel = new BroadcastChannel('llamascope');

export function tellTabs(message: TabMessage): void {
  // oxlint-disable-next-line unicorn/require-post-message-target-origin -- a channel reaches this origin only
  channel.postMessage(message);
}

export function onTabMessage(listener: (message: TabMessage) => void): void {
  channel.addEventListener('message', ({ data }) => listener(data as TabMessage));
}
