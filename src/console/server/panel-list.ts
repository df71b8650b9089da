/** GET /api/panels: the panels of `otel/panels/dashboards.ts` and their layout; GET /api/panels/{id} runs their queries. */
import { dashboards, panels } from '../../../otel/panels/dashboards.ts';
import { answersJson, type Endpoint } from '../../api/endpoint.ts';
import { PanelList } from './answers.ts';

/** Without the queries, which the schema does not have. */
const list = PanelList.parse({
  dashboards: dashboards.map(({ id, title, meaning, rows }) => ({
    id,
    title,
    meaning,
    rows: rows.map((row) => ({ title: row.title, panels: row.panels.map((panel) => panel.id) })),
  })),
  panels,
});

export function createPanelList(): Endpoint {
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
