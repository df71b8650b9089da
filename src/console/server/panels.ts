/**
 * GET /api/panels: the panels of `otel/panels/dashboards.ts` and their layout. GET /api/panels/{id}: the series of one panel, for
 * which a client names the panel and how far back, never a query.
 */
import { dashboardsFor, panelsOf, type Dashboard } from '../../../otel/panels/dashboards.ts';
import type { Panel } from '../../../otel/panels/panel.ts';
import { ChatError, toChatError } from '../../errors.ts';
import { refuseField } from '../../api/body.ts';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import { PanelData, PanelList } from './answers.ts';
import { chooseRange } from './panel-range.ts';
import { toText } from './peers.ts';
import { readExemplars, readSeries } from './prometheus.ts';
import type { SharedReads } from './shared-reads.ts';

/** Panels without their queries, which the schema does not contain. */
function toList(dashboards: readonly Dashboard[]): PanelList {
  return PanelList.parse({
    dashboards: dashboards.map(({ id, title, pageTitle = title, meaning, rows }) => ({
      id,
      title: pageTitle,
      meaning,
      rows: rows.map((row) => ({ title: row.title, panels: row.panels.map((panel) => panel.id) })),
    })),
    panels: panelsOf(dashboards),
  });
}

/** @param prometheusUrl undefined if not configured */
export function createPanelEndpoints(
  prometheusUrl: string | undefined,
  share: SharedReads,
  options: { hasEngine: boolean },
): Endpoint[] {
  const dashboards = dashboardsFor(options);
  return [
    createPanelList(toList(dashboards)),
    createPanel(prometheusUrl, share, panelsOf(dashboards)),
  ];
}

function createPanelList(list: PanelList): Endpoint {
  return {
    method: 'GET',
    path: '/api/panels',
    summary: 'The panels, and the dashboards that they are laid out on',
    access: 'console',
    answers: answersJson('PanelList', PanelList, {
      dashboards: list.dashboards.slice(0, 1),
      panels: list.panels.slice(0, 1),
    }),
    errors: ['unauthorized', 'forbidden'],
    handle: (c) => c.json(list),
  };
}

const minutesBounds = { least: 5, most: 24 * 60 };
const defaultMinutes = 60;

function createPanel(
  prometheusUrl: string | undefined,
  share: SharedReads,
  panels: readonly Panel[],
): Endpoint {
  const byId = new Map(panels.map((panel) => [panel.id, panel]));
  return {
    method: 'GET',
    path: '/api/panels/:id',
    summary: 'The series of one panel',
    access: 'console',
    parameters: {
      id: { in: 'path', description: 'A panel id from GET /api/panels.', example: 'queue-depth' },
      minutes: {
        in: 'query',
        description: `Minutes to look back, clamped to ${minutesBounds.least} to ${minutesBounds.most}; ${defaultMinutes} by default.`,
        schema: { type: 'integer', minimum: 0, maximum: 999_999_999 },
        example: defaultMinutes,
      },
    },
    answers: answersJson('PanelData', PanelData, examplePanelData),
    errors: ['bad_request', 'unauthorized', 'forbidden', 'not_found'],
    async handle(c) {
      const panel = byId.get(c.req.param('id') ?? '');
      if (panel === undefined) {
        throw new ChatError('not_found', 'id: no such panel. GET /api/panels lists them.', {
          zh: 'id：没有该面板。面板列表见 GET /api/panels。',
        });
      }
      const given = c.req.query('minutes') ?? String(defaultMinutes);
      if (!/^\d{1,9}$/.test(given)) throw refuseField('minutes', 'expected an integer');
      const minutes = Math.min(minutesBounds.most, Math.max(minutesBounds.least, Number(given)));
      const data = await share(`${panel.id} ${minutes}`, () =>
        readPanel(prometheusUrl, panel, minutes),
      );
      return c.json(data);
    },
  };
}

/** Answers with 200 even without Prometheus: failed requests would look like a fault of a service that runs alone. */
async function readPanel(
  prometheusUrl: string | undefined,
  panel: Panel,
  minutes: number,
): Promise<PanelData> {
  const range = chooseRange(panel.kind, minutes, Date.now() / 1000);
  try {
    const [series, exemplars] = await Promise.all([
      readSeries(prometheusUrl, panel, range),
      readExemplars(prometheusUrl, panel, range),
    ]);
    return { source: 'prometheus', ...range, series, exemplars };
  } catch (thrown) {
    const error = toChatError(thrown);
    if (error.code !== 'peer_unreachable') throw error;
    return { source: 'none', reason: toText(error), ...range, series: [], exemplars: [] };
  }
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
