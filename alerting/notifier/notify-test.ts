/** `make notify-test CHANNEL=name`: sends one test message and prints what the channel answered. Without a name it is the only channel. */
import { channelVariables } from './channels/channels.ts';
import { readConfig } from './config.ts';
import type { Channel, Delivery } from './channels/delivery.ts';
import { renderMessage } from './message/message.ts';
import type { Message } from './message/message.ts';
import { ownPayload } from './webhook.ts';

function say(line: string): void {
  process.stdout.write(`${line}\n`);
}

async function deliver(
  channel: Channel,
  message: Message,
): Promise<Exclude<Delivery, { kind: 'partly' }>> {
  const id = `llamascope-test-${Date.now()}`;
  let progress: string | null = null;
  for (;;) {
    const signal = AbortSignal.timeout(60_000);
    const delivery: Delivery = await channel.deliver(message, { id, progress, signal });
    if (delivery.kind !== 'partly') return delivery;
    progress = delivery.progress;
  }
}

async function run(wanted: string | undefined): Promise<number> {
  const config = readConfig(process.env);
  const { channels } = config;
  const only = channels.length === 1 ? channels[0] : undefined;
  const channel = wanted === undefined ? only : channels.find(({ name }) => name === wanted);
  if (channel === undefined) {
    const names = channels.map(({ name }) => name).join(', ');
    say(
      `CHANNEL: expected one of ${names}, got ${wanted ? `"${wanted}"` : 'none'}. Others are set by ${channelVariables.join(', ')} or NOTIFIER_CONFIG.`,
    );
    return 2;
  }
  const payload = ownPayload('notifier', 'notifier/test', [
    {
      status: 'firing',
      labels: { alertname: 'NotifierTest', severity: 'info' },
      annotations: {
        summary: 'A test message: nothing is broken',
        description: 'Whoever reads this is told when something is.',
        summary_zh: '测试消息：一切正常',
        description_zh: '能看到这条消息，就能收到告警。',
      },
      startsAt: new Date().toISOString(),
      endsAt: '',
      generatorURL: '',
      fingerprint: 'notifier-test',
    },
  ]);
  const startedAt = performance.now();
  const delivery = await deliver(channel, renderMessage([payload], config));
  channel.close?.();
  const took = `${Math.round(performance.now() - startedAt)} ms`;
  const answer = delivery.detail ?? 'no answer to show';
  if (delivery.kind === 'delivered') say(`${channel.name}: delivered in ${took}. ${answer}`);
  else say(`${channel.name}: not delivered (${delivery.reason}, ${took}). ${answer}`);
  return delivery.kind === 'delivered' ? 0 : 1;
}

try {
  process.exitCode = await run(process.argv[2] || undefined);
} catch (error) {
  say(error instanceof Error ? error.message : 'the test failed');
  process.exitCode = 2;
}
