/** The console's endpoints with a real Prometheus, Alertmanager and notifier. */
import { randomUUID } from 'node:crypto';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { until } from '../../support/until.ts';
import { createStack, type Stack } from '../../support/stack/stack.ts';

/** Tests assert single fields. */
// oxlint-disable-next-line typescript/no-explicit-any
type Json = any;

interface Series {
  legend: string;
  points: [number, number | null][];
}

let stack: Stack;
let alertmanagerUrl: string;
let traceIds: string[];

beforeAll(async () => {
  stack = await createStack({});
  alertmanagerUrl = `http://127.0.0.1:${stack.env['ALERTMANAGER_PORT']}`;
  await stack.command('up');
  // rate() ignores requests before the first scrape and before the first evaluation of the recording rule.
  const recorded = 'http_request_duration_seconds_count{job="qwen-instruct"}';
  await until(async () => (await stack.query(recorded)).includes(0));
  traceIds = await Promise.all(Array.from({ length: 4 }, () => chat()));
  await until(async () => (await get('/api/panels/phases')).series.length === 4, 30);
}, 120_000);
afterAll(() => stack.dispose(), 60_000);

async function get(path: string): Promise<Json> {
  const answer = await fetch(stack.chatUrl + path);
  const body = await answer.json();
  expect(answer.status, `${path}: ${JSON.stringify(body)}`).toBe(200);
  return body;
}

/** @returns the trace id */
async function chat(): Promise<string> {
  const answer = await fetch(`${stack.chatUrl}/v1/chat/completions`, {
    method: 'POST',
    body: '{"messages":[{"role":"user","content":"hello"}],"max_tokens":16}',
  });
  await answer.text();
  return answer.headers.get('traceparent')!.split('-')[1]!;
}

function notifier(): string {
  return `http://127.0.0.1:${stack.env['NOTIFIER_PORT']}`;
}

async function raiseAlert(name: string): Promise<void> {
  const alert = {
    labels: { alertname: name, severity: 'critical', job: 'qwen-instruct', id: randomUUID() },
    annotations: {
      summary: 'Requests are failing',
      summary_zh: '请求失败率过高',
      description: 'Many of them.',
      runbook_url: 'http://127.0.0.1:8060/runbooks/HighErrorRate',
      dashboard_url: 'javascript:alert(1)',
    },
  };
  const answer = await fetch(`${alertmanagerUrl}/api/v2/alerts`, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify([alert]),
  });
  expect(answer.status).toBe(200);
}

async function findAlert(name: string): Promise<Json> {
  let found: Json;
  await until(async () => {
    const { alerts } = await get('/api/alerts');
    found = alerts.find((alert: Json) => alert.name === name);
    return found !== undefined;
  });
  return found;
}

function silence(body: object): Promise<Response> {
  return fetch(`${stack.chatUrl}/api/silences`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', origin: stack.chatUrl },
    body: JSON.stringify(body),
  });
}

describe('panels', () => {
  test('are listed without their queries', async () => {
    const { dashboards, panels } = await get('/api/panels');
    expect(dashboards.map(({ id }: Json) => id)).toEqual([
      'qwen-monitor',
      'inference',
      'slo',
      'pipeline',
    ]);
    const ids = new Set(panels.map(({ id }: Json) => id));
    for (const { rows } of dashboards) {
      for (const row of rows) for (const id of row.panels) expect(ids).toContain(id);
    }
    expect(JSON.stringify(panels)).not.toContain('rate(');
  });

  test('all answer from Prometheus, with the same times for every series', async () => {
    const { panels } = await get('/api/panels');
    for (const { id } of panels) {
      const data = await get(`/api/panels/${id}?minutes=5`);
      expect(data, id).toMatchObject({ source: 'prometheus', stepSeconds: 5 });
      expect(data.to - data.from).toBe(300);
      for (const { points } of data.series as Series[]) {
        expect(points.map(([at]) => at)).toEqual(
          Array.from({ length: 61 }, (_, index) => data.from + index * 5),
        );
      }
    }
  });

  test('all have values, except those that are empty while nothing fails', async () => {
    const { panels } = await get('/api/panels');
    const busy = panels.filter(({ idle }: Json) => idle !== 'nothing');
    const findSilent = async (): Promise<string[]> => {
      const silent: string[] = [];
      for (const { id } of busy) {
        const { series } = await get(`/api/panels/${id}?minutes=5`);
        const values = series.flatMap(({ points }: Series) => points.map(([, value]) => value));
        if (!values.some((value: number | null) => value !== null)) silent.push(id);
      }
      return silent;
    };
    // The recording rules and the windows of the queries need some time after the start.
    await expect.poll(findSilent, { timeout: 30_000, interval: 1000 }).toEqual([]);
  });

  test('have at most 361 points, whatever the range', async () => {
    // The range of a day ends up to 30 s ago, and the stack may have started later.
    await until(
      async () => (await get('/api/panels/queue-depth?minutes=1440')).series.length > 0,
      40,
    );
    for (const minutes of [5, 33, 60, 61, 719, 1440]) {
      const lines = await get(`/api/panels/queue-depth?minutes=${minutes}`);
      expect(lines.series[0].points.length).toBeLessThanOrEqual(361);
      expect(lines.to - lines.from).toBeGreaterThan(minutes * 60 - lines.stepSeconds);
      const number = await get(`/api/panels/ready?minutes=${minutes}`);
      expect(number.series[0].points.length).toBeLessThanOrEqual(61);
      expect(number.series[0].points.at(-1)[1]).toBe(1);
    }
    const { from, to } = await get('/api/panels/queue-depth?minutes=100000000');
    expect(to - from).toBe(86_400);
    expect(await get('/api/panels/queue-depth?minutes=0')).toMatchObject({ stepSeconds: 5 });
  }, 60_000);

  test('name their series as Grafana does', async () => {
    const { series } = await get('/api/panels/phases');
    expect(series.map(({ legend }: Series) => legend)).toEqual([
      'tokenize',
      'queue',
      'prefill',
      'decode',
    ]);
    const roles = await get('/api/panels/memory-by-role');
    expect(roles.series.map(({ legend }: Series) => legend).toSorted()).toEqual(['api', 'engine']);
  });

  test('answer the buckets of a heatmap in ascending order, cumulative', async () => {
    let series: Series[] = [];
    await until(async () => {
      ({ series } = await get('/api/panels/latency-heatmap?minutes=5'));
      return (series.at(-1)?.points ?? []).some(([, value]) => (value ?? 0) > 0);
    }, 30);
    const bounds = series.map(({ legend }) => Number(legend.replace('+Inf', 'Infinity')));
    expect(bounds).toEqual(bounds.toSorted((a, b) => a - b));
    expect(bounds.at(-1)).toBe(Infinity);
    const last = series.map(({ points }) => points.findLast(([, value]) => value !== null)![1]!);
    expect(last).toEqual(last.toSorted((a, b) => a - b));
  });

  test('have exemplars whose traces exist', async () => {
    let exemplars: { at: number; value: number; traceId: string }[] = [];
    await until(async () => {
      ({ exemplars } = await get('/api/panels/generation-time?minutes=5'));
      return exemplars.length > 0;
    });
    const [slowest] = exemplars;
    expect(traceIds).toContain(slowest!.traceId);
    expect(slowest!.value).toBe(Math.max(...exemplars.map(({ value }) => value)));
    const trace = await get(`/api/traces/${slowest!.traceId}`);
    expect(JSON.stringify(trace)).toContain('decode');
    expect((await get('/api/panels/cpu')).exemplars).toEqual([]);
  });

  test.each([
    ['/api/panels/none', 404],
    ['/api/panels/up', 404],
    ['/api/panels/queue-depth?minutes=many', 400],
    ['/api/panels/queue-depth?minutes=-5', 400],
    ['/api/panels/queue-depth?minutes=1e9', 400],
  ])('%s is %i: clients name a panel and a range, no query', async (path, status) => {
    expect((await fetch(stack.chatUrl + path)).status).toBe(status);
  });
});

describe('alerts', () => {
  test('are in both languages, with a runbook, and without links that are not http', async () => {
    await raiseAlert('HighErrorRate');
    expect(await findAlert('HighErrorRate')).toMatchObject({
      state: 'firing',
      severity: 'critical',
      summary: { en: 'Requests are failing', zh: '请求失败率过高' },
      description: { en: 'Many of them.', zh: 'Many of them.' },
      runbook: 'HighErrorRate',
      notifies: true,
      silences: [],
    });
    expect(await findAlert('HighErrorRate')).not.toHaveProperty('dashboardUrl');
    const page = await fetch(`${stack.chatUrl}/api/runbooks/HighErrorRate`);
    expect(page.headers.get('content-type')).toBe('text/markdown; charset=utf-8');
    expect(await page.text()).toMatch(/^# HighErrorRate\n[^]*## 中文/);
  });

  test('are in the history with their deliveries, and without the Watchdog', async () => {
    const delivery = async () =>
      (await get('/api/alert-history')).episodes.find(({ name }: Json) => name === 'HighErrorRate')
        ?.deliveries[0];
    await until(async () => (await delivery())?.state === 'delivered', 40);
    expect(await delivery()).toMatchObject({ about: 'firing', channel: 'inbox', attempts: 1 });
    const watchdog = createAlert({ labels: { alertname: 'Watchdog', severity: 'none' } });
    const body = JSON.stringify(createWebhook([watchdog]));
    await fetch(`${notifier()}/alerts/default`, { method: 'POST', body });
    await until(async () => (await get('/api/alerts')).watchdogSeenAt !== null);
    const { missing, alerts } = await get('/api/alerts');
    expect(missing).toEqual([]);
    expect(alerts.map(({ name }: Json) => name)).not.toContain('Watchdog');
  }, 120_000);

  test('have a rule each, with the value now of most', async () => {
    const { rules } = await get('/api/rules');
    expect(rules.length).toBeGreaterThan(27);
    for (const { state, name } of rules) expect(state, name).not.toBe('broken');
    const byName = Object.fromEntries(rules.map((rule: Json) => [rule.name, rule]));
    expect(byName['EngineNotReady']).toMatchObject({
      state: 'inactive',
      bound: { operator: '<', value: 0.5 },
      unit: '1',
      value: expect.any(Number),
    });
    expect(byName['TargetDown']).toMatchObject({ bound: { operator: '==', value: 0 }, value: 1 });
    expect(byName['QueueBacklog']).toMatchObject({ value: 0, lastFiredAt: null });
  });

  test('are silenced one by one, for an hour and with a reason', async () => {
    await raiseAlert('HighLatency');
    await raiseAlert('QueueBacklog');
    const { fingerprint } = await findAlert('HighLatency');
    await findAlert('QueueBacklog');
    const answer = await silence({ fingerprint, minutes: 60, reason: ' a disk is changed ' });
    expect(answer.status).toBe(201);
    const { id } = (await answer.json()) as { id: string };
    await until(async () => (await findAlert('HighLatency')).state === 'silenced');
    expect((await findAlert('HighLatency')).silences).toMatchObject([{ id }]);
    expect((await findAlert('QueueBacklog')).state).toBe('firing');
    const kept = await (await fetch(`${alertmanagerUrl}/api/v2/silence/${id}`)).json();
    expect(kept).toMatchObject({ createdBy: 'llamascope console', comment: 'a disk is changed' });
    expect(Date.parse(kept.endsAt) - Date.parse(kept.startsAt)).toBeGreaterThan(3_590_000);
    const path = `${stack.chatUrl}/api/silences/${id}/expire`;
    expect((await fetch(path, { method: 'POST' })).status).toBe(200);
    await until(async () => (await findAlert('HighLatency')).state === 'firing');
  }, 60_000);

  test('are not silenced without a reason, nor after they are resolved', async () => {
    const { fingerprint } = await findAlert('QueueBacklog');
    for (const reason of [undefined, '', '  ', 'x'.repeat(501)]) {
      const refused = await silence({ fingerprint, reason });
      expect(refused.status).toBe(400);
      expect((await refused.json()).error).toMatchObject({ param: 'reason' });
    }
    const gone = await silence({ fingerprint: 'c0ffee', reason: 'it is over' });
    expect(gone.status).toBe(409);
    expect((await gone.json()).error).toMatchObject({
      code: 'alert_gone',
      message: expect.stringContaining('no longer firing'),
      message_zh: expect.stringContaining('已恢复'),
    });
    for (const minutes of [0, 1441, 1.5]) {
      expect((await silence({ fingerprint, minutes, reason: 'x' })).status).toBe(400);
    }
  });
});

describe('the console', () => {
  test('is not in the HTTP metrics and traces', async () => {
    const scrape = await (await fetch(`${stack.chatUrl}/metrics`)).text();
    const requests = scrape.split('\n').filter((line) => line.startsWith('http_server_request'));
    expect(requests.join('\n')).not.toMatch(/\/api|\/console|http_route="\/"/);
    expect(requests.join('\n')).toContain('/v1/chat/completions');
    const { traces } = await get('/api/traces?limit=500');
    for (const { name } of traces) expect(name).not.toMatch(/\/api|\/console/);
  });

  test('shows the state of the service and links to the rest of the stack', async () => {
    expect(await get('/api/status')).toMatchObject({
      service: { name: 'llamascope' },
      model: { id: 'demo', demo: true, notice: expect.any(String) },
      state: 'ready',
      queue: { depth: 0, limit: 64 },
      needsKey: false,
      links: {
        prometheus: `http://127.0.0.1:${stack.env['PROMETHEUS_PORT']}`,
        alertmanager: alertmanagerUrl,
        notifier: notifier(),
      },
    });
  });
});
