/** Every kind of channel, one line each. A new one is a file in `channels/` and a line here. */
import type { Channel } from './delivery.ts';
import { dingtalkFromSettings } from './channels/dingtalk.ts';
import { createInbox } from './channels/inbox.ts';
import type { Settings } from './settings.ts';

/** Each makes the one channel that its variables describe, or none when they are unset. */
const kinds: readonly ((settings: Settings) => Channel | undefined)[] = [dingtalkFromSettings];

/** The configured channels; the inbox alone when there is none, so that nothing is ever lost for lack of a robot. */
export function channelsFromSettings(settings: Settings): Channel[] {
  const channels = kinds.flatMap((fromSettings) => fromSettings(settings) ?? []);
  return channels.length > 0 ? channels : [createInbox()];
}
