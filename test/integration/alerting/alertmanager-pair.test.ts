/** Two real Alertmanagers in a cluster, as in alerting/README.md: no duplicates, and one is enough. */
import { expect, onTestFinished, test } from 'vitest';
import { startAlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import type { AlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import { startWebhookReceiver } from '../../support/alerting/webhook-receiver.ts';
import { until } from '../../support/until.ts';

test('a pair sends each alert once, and the remaining one sends the next', async () => {
  const receiver = await startWebhookReceiver();
  onTestFinished(() => receiver.close());
  const config = JSON.stringify({
    route: {
      receiver: 'notifier',
      group_by: ['alertname'],
      group_wait: '0s',
      group_interval: '1s',
    },
    receivers: [{ name: 'notifier', webhook_configs: [{ url: receiver.url, max_alerts: 0 }] }],
  });
  // The second one waits 2 s for the first to send; the default is 15 s.
  const args = ['--cluster.peer-timeout=2s', '--cluster.settle-timeout=1s'];
  const start = async (peers: string[]): Promise<AlertmanagerNode> => {
    const node = await startAlertmanagerNode({ config, peers, args });
    onTestFinished(() => node.stop());
    return node;
  };
  const first = await start([]);
  const second = await start([first.peer]);
  const pair = [first, second];
  await until(async () => {
    const statuses = await Promise.all(pair.map((node) => node.status()));
    return statuses.every(
      ({ cluster }) => cluster.status === 'ready' && cluster.peers.length === 2,
    );
  });

  // Prometheus sends every alert to every Alertmanager.
  const raise = (nodes: AlertmanagerNode[], instance: string) =>
    Promise.all(
      nodes.map((node) => node.post({ labels: { alertname: 'QueueBacklog', instance } })),
    );
  await raise(pair, 'a');
  await until(() => receiver.received.length === 1);
  await raise(pair, 'b');
  await until(() => receiver.received.length === 2);
  // A node sends its group in order: after c, it sends nothing about a and b.
  const [sender, other] = (await isFirst(first)) ? [first, second] : [second, first];
  await sender.stop('SIGKILL');
  await raise([other], 'c');
  await until(() => receiver.received.length === 3);
  const instances = receiver.received.map(({ body }) =>
    body.alerts.map(({ labels }) => labels['instance']).toSorted(),
  );
  expect(instances).toEqual([['a'], ['a', 'b'], ['a', 'b', 'c']]);
});

/** The node in position 0 sends without waiting for others. */
async function isFirst(node: AlertmanagerNode): Promise<boolean> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  return /^alertmanager_peer_position 0$/m.test(metrics);
}
