/** GET /api/panels: the panels of `otel/panels/dashboards.ts` and their layout; GET /api/panels/{id} runs their queries. */
import { z } from 'zod';
import { dashboards, panels } from '../../../otel/panels/dashboards.ts';
import type { Dashboard } from '../../../otel/panels/dashboards.ts';
import type { PanelInfo } from '../../../otel/panels/panel.ts';
import type { Endpoint } from '../../api/endpoint.ts';
import { Text } from './text.ts';

export interface PanelList {
  dashboards: (Pick<Dashboard, 'id' | 'title' | 'meaning'> & {
    rows: { title?: Text; panels: string[] }[];
  })[];
  panels: readonly PanelInfo[];
}

const list: PanelList = {
  dashboards: dashboards.map(({ id, title, meaning, rows }) => ({
    id,
    title,
    meaning,
    rows: rows.map((row) => ({
      ...(row.title && { title: row.title }),
      panels: row.panels.map((panel) => panel.id),
    })),
  })),
  panels,
};

/** `PanelList` as the OpenAPI document has it. */
const schema = z.object({
  dashboards: z.array(
    z.object({
      id: z.string(),
      title: Text,
      meaning: Text,
      rows: z.array(z.object({ title: Text.optional(), panels: z.array(z.string()) })),
    }),
  ),
  panels: z.array(
    z.object({
      id: z.string(),
      title: Text,
      meaning: Text,
      kind: z.enum(['stat', 'info', 'gauge', 'timeseries', 'stacked', 'heatmap']),
      unit: z.string(),
      idle: z.enum(['zero', 'value', 'nothing']),
      thresholds: z
        .object({
          red: z.number(),
          orange: z.number().optional(),
          when: z.enum(['above', 'below']),
        })
        .optional(),
      whenRed: Text.extend({ runbook: z.string() }).optional(),
      words: z.record(z.string(), Text).optional(),
    }),
  ),
});

export function createPanelList(): Endpoint {
  // The schema has no queries, so parsing drops them.
  const answer = schema.parse(list);
  return {
    method: 'GET',
    path: '/api/panels',
    summary: 'The panels, and the dashboards that they are laid out on',
    access: 'console',
    answers: {
      'application/json': {
        name: 'PanelList',
        schema,
        example: { dashboards: answer.dashboards.slice(0, 1), panels: answer.panels.slice(0, 1) },
      },
    },
    errors: ['unauthorized', 'forbidden'],
    handle: (c) => c.json(answer),
  };
}
