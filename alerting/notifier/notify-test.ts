/** `make notify-test CHANNEL=name`: sends one test message and prints the channel's answer. Without CHANNEL: the only channel. */
import type { Channel, Delivery } from './channels/channel.ts';
import { readConfig } from './config.ts';
import { renderMessage } from './message/message.ts';
import type { Message } from './message/message.ts';
import { ownPayload } from './webhook.ts';

const timeoutMillis = 60_000;

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Sends every part of the message. */
async function deliver(
  channel: Channel,
  message: Message,
): Promise<Exclude<Delivery, { kind: 'partial' }>> {
  const id = `llamascope-test-${Date.now()}`;
  let progress: string | null = null;
  for (;;) {
    const signal = AbortSignal.timeout(timeoutMillis);
    const delivery: Delivery = await channel.deliver(message, { id, progress, signal });
    if (delivery.kind !== 'partial') return delivery;
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
    const got = wanted === undefined ? 'none' : `"${wanted}"`;
    print(
      `CHANNEL: expected one of ${names}, got ${got}. How to configure a channel: alerting/notifier/README.md`,
    );
    return 2;
  }
  const payload = ownPayload('notifier', 'notifier/test', [
    {
      status: 'firing',
      labels: { alertname: 'NotifierTest', severity: 'info' },
      annotations: {
        summary: 'Test message: nothing is wrong',
        description: 'If you can read this, you will receive alerts here.',
        summary_zh: '测试消息：一切正常',
        description_zh: '能看到这条消息，就能收到告警。',
      },
      startsAt: new Date().toISOString(),
      fingerprint: 'notifier-test',
    },
  ]);
  const startedAt = performance.now();
  const delivery = await deliver(channel, renderMessage([payload], config));
  channel.close?.();
  const took = `${Math.round(performance.now() - startedAt)} ms`;
  const answer = delivery.detail ?? '';
  if (delivery.kind === 'delivered') print(`${channel.name}: delivered in ${took}. ${answer}`);
  else print(`${channel.name}: not delivered (${delivery.reason}, ${took}). ${answer}`);
  return delivery.kind === 'delivered' ? 0 : 1;
}

try {
  process.exitCode = await run(process.argv[2] || undefined);
} catch (error) {
  print(error instanceof Error ? error.message : 'the test failed');
  process.exitCode = 2;
}
