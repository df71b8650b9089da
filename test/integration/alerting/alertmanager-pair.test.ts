/** Two real Alertmanagers as one, as alerting/README.md has them: nothing is told twice, and one that dies is not missed. */
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { json } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { startAlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import type { AlertmanagerNode } from '../../support/alerting/alertmanager-node.ts';
import { until } from '../../support/until.ts';

/** Answers 200 to every webhook and keeps the instances that it told. */
async function startReceiver(): Promise<{ url: string; received: string[] }> {
  const received: string[] = [];
  const server = createServer((request, response) => {
    void json(request).then((payload) => {
      const { alerts } = payload as { alerts: { labels: { instance: string } }[] };
      received.push(
        alerts
          .map(({ labels }) => labels.instance)
          .toSorted()
          .join(' '),
      );
      response.end();
    });
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  onTestFinished(() => void server.close());
  return { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`, received };
}

test('a pair tells each alert once, and the one that is left tells the next', async () => {
  const receiver = await startReceiver();
  const config = JSON.stringify({
    route: {
      receiver: 'notifier',
      group_by: ['alertname'],
      group_wait: '0s',
      group_interval: '1s',
    },
    receivers: [{ name: 'notifier', webhook_configs: [{ url: receiver.url, max_alerts: 0 }] }],
  });
  // The second waits so long for the first to tell; 15 s in earnest.
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
  // Each flushes its group in order: when either tells of c, it has made up its mind about a and b.
  const [dies, stays] = (await isFirst(first)) ? [first, second] : [second, first];
  await dies.stop('SIGKILL');
  await raise([stays], 'c');
  await until(() => receiver.received.length === 3);
  expect(receiver.received).toEqual(['a', 'a b', 'a b c']);
});

/** The one in position 0 waits for nobody: it told. */
async function isFirst(node: AlertmanagerNode): Promise<boolean> {
  const metrics = await (await fetch(`${node.url}/metrics`)).text();
  return /^alertmanager_peer_position 0$/m.test(metrics);
}
