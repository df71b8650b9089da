/** GET /api/panels/{id}: the lines of one panel. The page names a panel and a range, never a query. */
import { z } from 'zod';
import { panels } from '../../../otel/panels/dashboards.ts';
import type { Panel } from '../../../otel/panels/panel.ts';
import { toChatError } from '../../errors.ts';
import { refuseField } from '../../api/body.ts';
import type { ApiDeps, Endpoint } from '../../api/endpoint.ts';
import { chooseRange, minutesBounds } from './panel-range.ts';
import { readFromProcess } from './process-panel.ts';
import { readExemplars, readSeries } from './prometheus.ts';
import type { SharedReads } from './shared-reads.ts';
import { createConsoleError, Text, toText } from './text.ts';

const PanelData = z.object({
  /** `process`: no Prometheus answers, `reason` says why, and these are the service's own present values, if it has any. */
  source: z.enum(['prometheus', 'process']),
  reason: Text.optional(),
  from: z.number(),
  to: z.number(),
  stepSeconds: z.number(),
  /** Of a heatmap: its buckets, ascending; the legend is the upper bound, and each counts those below it as well. */
  series: z.array(
    z.object({
      legend: z.string(),
      points: z.array(z.tuple([z.number(), z.number().nullable()])),
    }),
  ),
  /** The largest first. */
  exemplars: z.array(z.object({ at: z.number(), value: z.number(), traceId: z.string() })),
});

type PanelData = z.infer<typeof PanelData>;

const defaultMinutes = 60;

export function createPanel(deps: ApiDeps, share: SharedReads): Endpoint {
  const byId = new Map(panels.map((panel) => [panel.id, panel]));
  return {
    method: 'GET',
    path: '/api/panels/:id',
    summary: 'The lines of one panel',
    access: 'console',
    parameters: {
      id: { in: 'path', description: 'One that GET /api/panels lists.', example: 'queue-depth' },
      minutes: {
        in: 'query',
        description: `How far back: ${minutesBounds.least} to ${minutesBounds.most}; ${defaultMinutes} without.`,
        example: String(defaultMinutes),
      },
    },
    answers: {
      'application/json': { name: 'PanelData', schema: PanelData, example: examplePanelData },
    },
    errors: ['bad_request', 'unauthorized', 'forbidden', 'not_found'],
    async handle(c) {
      const panel = byId.get(c.req.param('id') ?? '');
      if (panel === undefined) throw unknownPanel();
      const given = c.req.query('minutes') ?? String(defaultMinutes);
      if (!/^\d{1,9}$/.test(given))
        throw refuseField('minutes', 'expected an integer, got another');
      const minutes = Math.min(minutesBounds.most, Math.max(minutesBounds.least, Number(given)));
      const data = await share(`${panel.id} ${minutes}`, () => readPanel(deps, panel, minutes));
      return c.json(data);
    },
  };
}

/** That no Prometheus answers is an answer: a page full of failed requests would be an alarm about a stack that is at rest. */
async function readPanel(deps: ApiDeps, panel: Panel, minutes: number): Promise<PanelData> {
  const { prometheus } = deps.console.peers;
  const range = chooseRange(panel.kind, minutes, Date.now() / 1000);
  try {
    const [series, exemplars] = await Promise.all([
      readSeries(prometheus, panel, range),
      readExemplars(prometheus, panel, range),
    ]);
    return { source: 'prometheus', ...range, series, exemplars };
  } catch (thrown) {
    const error = toChatError(thrown);
    if (error.code !== 'peer_unreachable') throw error;
    const { body } = await deps.telemetry.scrape({});
    const series = readFromProcess(panel, String(body), range.to);
    return { source: 'process', reason: toText(error), ...range, series, exemplars: [] };
  }
}

function unknownPanel() {
  return createConsoleError('not_found', {
    en: 'id: expected a panel that GET /api/panels lists, got another.',
    zh: 'id：应为 GET /api/panels 列出的面板，收到的是其他值。',
  });
}

const examplePanelData: PanelData = {
  source: 'prometheus',
  from: 1_760_000_000,
  to: 1_760_000_010,
  stepSeconds: 10,
  series: [
    {
      legend: 'waiting',
      points: [
        [1_760_000_000, 0],
        [1_760_000_010, null],
      ],
    },
  ],
  exemplars: [{ at: 1_760_000_004.2, value: 0.2, traceId: '4bf92f3577b34da6a3ce929d0e0e4736' }],
};
