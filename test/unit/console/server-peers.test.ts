/** The console when Prometheus, Alertmanager or the notifier is missing, hangs or is another program, and how often each is asked. */
import { once } from 'node:events';
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { afterEach, describe, expect, test } from 'vitest';
import type { Peers } from '../../../src/config.ts';
import { createApiApp } from '../../support/api/app.ts';

const closing: (() => void)[] = [];
afterEach(() => {
  for (const close of closing.splice(0)) close();
});

/** A program that answers with `answer`. */
async function startPeer(
  answer: (request: IncomingMessage, response: ServerResponse) => void,
): Promise<string> {
  const server = createServer(answer).listen(0, '127.0.0.1');
  await once(server, 'listening');
  closing.push(() => {
    server.closeAllConnections();
    server.close();
  });
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const noPeers: Peers = {
  prometheus: undefined,
  alertmanager: undefined,
  notifier: undefined,
};

function createConsole(peers: Partial<Peers>, notifierToken?: string) {
  return createApiApp({
    peers: { ...noPeers, ...peers },
    notifierToken,
  });
}

// Each test reads other fields.
// oxlint-disable-next-line typescript/no-explicit-any
async function get(app: ReturnType<typeof createConsole>, path: string): Promise<any> {
  return (await app.request(path)).json();
}

test.each(['queue-depth', 'first-token', 'alerts', 'budget-left'])(
  'without Prometheus %s has no series, and a reason in both languages',
  async (id) => {
    const answer = await createConsole({}).request(`/api/panels/${id}`);
    expect(answer.status).toBe(200);
    expect(await answer.json()).toMatchObject({
      source: 'none',
      reason: {
        en: expect.stringContaining('PROMETHEUS_URL: not set.'),
        zh: expect.stringContaining('PROMETHEUS_URL：未设置。'),
      },
      series: [],
      exemplars: [],
    });
  },
);

describe('a Prometheus that', () => {
  test.each([
    ['is down', 'down', 'does not answer (ECONNREFUSED)'],
    ['is another program', undefined, 'sent an unexpected answer'],
    ['answers with HTML', '<html>', 'sent an unexpected answer'],
    ['refuses', 'error', 'answered with status 422'],
  ])('%s is named with its URL and the reason', async (_, how, reasonText) => {
    const url = await startPeer((__, response) => {
      if (how === 'error') response.statusCode = 422;
      response.end(how === '<html>' ? how : '{"status":"whatever"}');
    });
    if (how === 'down') closing.pop()?.();
    const { reason } = await get(createConsole({ prometheus: url }), '/api/panels/queue-depth');
    expect(reason.en).toContain(`Prometheus at ${url} ${reasonText}.`);
    expect(reason.zh).toContain(url);
  });

  test('hangs is given up after 4 s', async () => {
    const url = await startPeer(() => {});
    const { reason } = await get(createConsole({ prometheus: url }), '/api/panels/queue-depth');
    expect(reason.en).toContain('does not answer (TimeoutError)');
  }, 10_000);

  test('stores no exemplars still answers the series', async () => {
    const url = await startPeer((request, response) => {
      if (request.url?.includes('exemplars')) response.statusCode = 400;
      response.end('{"data":{"result":[{"metric":{},"values":[]}]}}');
    });
    const data = await get(createConsole({ prometheus: url }), '/api/panels/first-token');
    expect(data).toMatchObject({ source: 'prometheus', exemplars: [] });
    expect(data.series).toHaveLength(3);
  });

  test('stores exemplars answers one a trace, the slowest first, at most 100', async () => {
    const exemplars = Array.from({ length: 150 }, (_, index) => ({
      labels: { trace_id: `trace ${index}` },
      value: `${index}`,
      timestamp: 1_760_000_000 + index / 8,
    }));
    const sets = [{ exemplars }, { exemplars }, { exemplars: [{ ...exemplars[0], labels: {} }] }];
    const url = await startPeer((request, response) => {
      const isExemplars = request.url?.includes('exemplars');
      response.end(JSON.stringify({ data: isExemplars ? sets : { result: [] } }));
    });
    const data = await get(createConsole({ prometheus: url }), '/api/panels/first-token');
    expect(data.exemplars).toHaveLength(100);
    expect(data.exemplars.slice(0, 2)).toEqual([
      { at: 1_760_000_018.625, value: 149, traceId: 'trace 149' },
      { at: 1_760_000_018.5, value: 148, traceId: 'trace 148' },
    ]);
  });

  test('answers +Inf, NaN or nothing for a step gives a gap there', async () => {
    const url = await startPeer((request, response) => {
      const from = Number(new URL(request.url!, 'http://x').searchParams.get('start'));
      const values = [
        [from, '+Inf'],
        [from + 10, 'NaN'],
        [from + 30, '1.5'],
      ];
      response.end(JSON.stringify({ data: { result: [{ metric: {}, values }] } }));
    });
    const { series, from } = await get(createConsole({ prometheus: url }), '/api/panels/cpu');
    expect(series[0].points.slice(0, 5)).toEqual([
      [from, null],
      [from + 10, null],
      [from + 20, null],
      [from + 30, 1.5],
      [from + 40, null],
    ]);
  });

  test('is asked once when many pages show the same panel', async () => {
    let asked = 0;
    const url = await startPeer((_, response) => {
      asked += 1;
      response.end('{"data":{"result":[]}}');
    });
    const app = createConsole({ prometheus: url });
    const pages = Array.from({ length: 20 }, () => get(app, '/api/panels/cpu?minutes=60'));
    await Promise.all(pages);
    await get(app, '/api/panels/cpu?minutes=60');
    expect(asked).toBe(1);
    await get(app, '/api/panels/cpu?minutes=61');
    expect(asked).toBe(2);
  });
});

describe('alerts', () => {
  test('give a reason in both languages for a missing Alertmanager and a missing notifier', async () => {
    const data = await get(createConsole({}), '/api/alerts');
    expect(data).toMatchObject({ source: 'none', alerts: [], notifications: [] });
    expect(data.reason.en).toContain('ALERTMANAGER_URL: not set.');
    expect(data.notificationsReason.zh).toContain('NOTIFIER_URL：未设置。');
  });

  test('of an Alertmanager without a notifier are listed, except the Watchdog', async () => {
    const alert = {
      fingerprint: 'c0ffee',
      labels: { alertname: 'QueueBacklog' },
      annotations: {},
      startsAt: '2026-04-26T03:21:41.5Z',
      status: { state: 'suppressed', silencedBy: [], inhibitedBy: ['c0'] },
    };
    const watchdog = { ...alert, labels: { alertname: 'Watchdog' } };
    const url = await startPeer((_, response) => response.end(JSON.stringify([watchdog, alert])));
    const data = await get(createConsole({ alertmanager: url }), '/api/alerts');
    expect(data).toMatchObject({
      source: 'alertmanager',
      alerts: [{ name: 'QueueBacklog', state: 'inhibited', severity: '' }],
      notificationsReason: {},
    });
    expect(data.alerts).toHaveLength(1);
  });

  test('ask the notifier with its token, which is in no answer', async () => {
    let authorization: string | undefined;
    const url = await startPeer((request, response) => {
      ({ authorization } = request.headers);
      response.statusCode = 401;
      response.end('{"error":"no"}');
    });
    const data = await get(createConsole({ notifier: url }, 'canary'), '/api/alerts');
    expect(authorization).toBe('Bearer canary');
    expect(data.notificationsReason.en).toContain('answered with status 401');
    expect(JSON.stringify(data)).not.toContain('canary');
  });
});
