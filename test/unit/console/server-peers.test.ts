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
  test('name each missing program and its reason in both languages', async () => {
    const { missing, ...rest } = await get(createConsole({}), '/api/alerts');
    expect(rest).toEqual({ alerts: [], watchdogSeenAt: null });
    const peers = ['prometheus', 'alertmanager', 'notifier'].map((peer) => ({
      peer,
      isConfigured: false,
      reason: {
        en: expect.stringContaining(`${peer.toUpperCase()}_URL: not set.`),
        zh: expect.stringContaining(`${peer.toUpperCase()}_URL：未设置。`),
      },
    }));
    expect(missing).toEqual(peers);
  });

  test('of an Alertmanager alone are listed, except the Watchdog', async () => {
    const alert = {
      fingerprint: 'c0ffee',
      labels: { alertname: 'QueueBacklog' },
      annotations: {},
      startsAt: '2026-04-26T03:21:41.5Z',
      receivers: [{ name: 'nobody' }],
      status: { state: 'suppressed', silencedBy: [], inhibitedBy: ['c0'] },
    };
    const watchdog = { ...alert, labels: { alertname: 'Watchdog' } };
    const url = await startPeer((_, response) => response.end(JSON.stringify([watchdog, alert])));
    const data = await get(createConsole({ alertmanager: url }), '/api/alerts');
    expect(data.alerts).toMatchObject([
      { name: 'QueueBacklog', state: 'inhibited', severity: '', notifies: false },
    ]);
    expect(data.missing.map(({ peer }: { peer: string }) => peer)).toEqual([
      'prometheus',
      'notifier',
    ]);
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
    expect(data.missing.at(-1)).toMatchObject({ peer: 'notifier', isConfigured: true });
    expect(data.missing.at(-1).reason.en).toContain('answered with status 401');
    expect(JSON.stringify(data)).not.toContain('canary');
  });
});

describe('rules', () => {
  const rule = {
    type: 'alerting',
    name: 'HighErrorRate',
    query: 'sum(rate(errors[5m])) / sum(rate(all[5m])) > 0.05',
    duration: 300,
    labels: { severity: 'critical' },
    annotations: {
      summary: 'Requests are failing',
      summary_zh: '请求失败率过高',
      description: '{{ $value | humanizePercentage }} of requests',
      runbook_url: 'http://127.0.0.1:8060/runbooks/HighErrorRate',
    },
    state: 'pending',
    health: 'ok',
    alerts: [{ labels: {}, state: 'pending', activeAt: '2026-04-26T03:20:00Z', value: '0.2' }],
  };
  const idle = { ...rule, name: 'Watchdog', query: 'vector(1)', alerts: [], state: 'inactive' };
  const broken = {
    ...idle,
    name: 'Broken',
    query: 'max(up) < 1',
    health: 'err',
    lastError: 'found duplicate series',
  };

  test('that count have a whole number as their value', async () => {
    const description = '{{ $value | printf "%.0f" }} attempts failed.';
    const alerts = [{ activeAt: '2026-04-26T03:20:00Z', value: '1.0634' }];
    const counting = { ...rule, annotations: { ...rule.annotations, description }, alerts };
    const url = await startPeer((request, response) => {
      const isList = request.url!.startsWith('/api/v1/rules');
      const data = isList ? { groups: [{ rules: [counting, rule] }] } : { result: [] };
      response.end(JSON.stringify({ status: 'success', data }));
    });
    const { rules } = await get(createConsole({ prometheus: url }), '/api/rules');
    expect(rules.map(({ value }: { value: number }) => value)).toEqual([1, 0.2]);
  });

  test('have a state, a threshold, the value now and the last firing', async () => {
    const queries: string[] = [];
    const firedAt = Date.parse('2026-04-25T22:00:00Z') / 1000;
    const url = await startPeer((request, response) => {
      const { pathname, searchParams } = new URL(request.url!, 'http://x');
      const query = searchParams.get('query') ?? '';
      if (query !== '') queries.push(query);
      const labels = { alertname: 'HighErrorRate', severity: 'critical', instance: 'a' };
      const result = query.startsWith('label_replace')
        ? [{ metric: { rule: '0' }, value: [firedAt, '0.1'] }]
        : [{ metric: labels, value: [firedAt, String(firedAt)] }];
      const groups = [{ name: 'seed', rules: [rule, idle, broken] }];
      const data = pathname === '/api/v1/rules' ? { groups } : { result };
      response.end(JSON.stringify({ status: 'success', data }));
    });
    const { rules } = await get(createConsole({ prometheus: url }), '/api/rules');
    expect(rules).toEqual(
      [
        {
          name: 'HighErrorRate',
          severity: 'critical',
          labels: {},
          summary: { en: 'Requests are failing', zh: '请求失败率过高' },
          state: 'pending',
          query: rule.query,
          bound: { operator: '>', value: 0.05 },
          unit: '1',
          forSeconds: 300,
          value: 0.2,
          activeAt: '2026-04-26T03:20:00Z',
          lastFiredAt: '2026-04-25T22:00:00.000Z',
          runbook: 'HighErrorRate',
        },
        expect.objectContaining({
          name: 'Broken',
          state: 'broken',
          error: 'found duplicate series',
          value: null,
          lastFiredAt: null,
        }),
      ].toReversed(),
    );
    expect(queries[0]).toBe(
      'label_replace(max(sum(rate(errors[5m])) / sum(rate(all[5m]))), "rule", "0", "", "")' +
        ' or label_replace(min(max(up)), "rule", "1", "", "")',
    );
  });

  test('that Prometheus has not evaluated yet are inactive', async () => {
    const fresh = { ...rule, state: 'unknown', health: 'unknown', alerts: [] };
    const url = await startPeer((request, response) => {
      const isList = request.url!.startsWith('/api/v1/rules');
      const data = isList ? { groups: [{ rules: [fresh] }] } : { result: [] };
      response.end(JSON.stringify({ status: 'success', data }));
    });
    const { rules, reason } = await get(createConsole({ prometheus: url }), '/api/rules');
    expect(reason).toBeUndefined();
    expect(rules).toMatchObject([{ name: 'HighErrorRate', state: 'inactive', value: null }]);
  });

  test('without Prometheus are replaced by the reason', async () => {
    const { rules, reason } = await get(createConsole({}), '/api/rules');
    expect(rules).toEqual([]);
    expect(reason.zh).toContain('PROMETHEUS_URL：未设置。');
  });
});

test.each(['0', '169', 'many', '1.5'])('a history of %s hours is refused', async (hours) => {
  const answer = await createConsole({}).request(`/api/alert-history?hours=${hours}`);
  expect(answer.status).toBe(400);
});

describe('a silence', () => {
  test('is ended in Alertmanager, and only one that is active', async () => {
    const calls: string[] = [];
    const url = await startPeer((request, response) => {
      calls.push(`${request.method} ${request.url}`);
      const facts = { createdBy: 'a', comment: 'b', endsAt: '2026-04-26T03:21:41.5Z' };
      const silences = [
        { id: 'c0', ...facts, status: { state: 'active' } },
        { id: 'c1', ...facts, status: { state: 'expired' } },
      ];
      response.end(request.method === 'DELETE' ? '' : JSON.stringify(silences));
    });
    const app = createConsole({ alertmanager: url });
    const bindings = { incoming: { socket: { remoteAddress: '127.0.0.1' } } };
    const end = (id: string) =>
      app.request(`/api/silences/${id}/expire`, { method: 'POST' }, bindings);
    expect(await (await end('c0')).json()).toEqual({ id: 'c0' });
    expect(calls).toContain('DELETE /api/v2/silence/c0');
    expect((await end('c1')).status).toBe(404);
    expect((await end('..%2fstatus')).status).toBe(404);
    expect(calls.filter((call) => call.startsWith('DELETE'))).toHaveLength(1);
  });
});
