/** GET /api/panels: which panels there are, as `otel/panels/dashboards.ts` has them; the queries stay here, for GET /api/panels/{id}. */
import { readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Endpoint } from '../../api/endpoint.ts';
import { Text } from './text.ts';

/** Written by `make dashboards`; a file, since nothing here imports from the stack. */
const file = new URL('../../../stack/generated/panels.json', import.meta.url);

const Panel = z.object({
  id: z.string(),
  title: Text,
  /** The question that it answers. */
  meaning: Text,
  kind: z.enum(['stat', 'info', 'gauge', 'timeseries', 'stacked', 'heatmap']),
  /** UCUM. */
  unit: z.string(),
  /** What it shows before the first request. */
  idle: Text,
  thresholds: z
    .object({ red: z.number(), orange: z.number().optional(), when: z.enum(['above', 'below']) })
    .optional(),
  whenRed: Text.extend({ runbook: z.string() }).optional(),
  /** Words in place of numbers. */
  words: z.record(z.string(), Text).optional(),
});

const Dashboard = z.object({
  id: z.string(),
  title: Text,
  meaning: Text,
  rows: z.array(z.object({ title: Text.optional(), panels: z.array(z.string()) })),
});

const PanelDefinition = Panel.extend({
  queries: z.array(z.object({ expr: z.string(), legend: z.string() })),
});

const PanelFile = z.object({
  dashboards: z.array(Dashboard),
  panels: z.array(PanelDefinition),
});

export type PanelDefinition = z.infer<typeof PanelDefinition>;
export type PanelFile = z.infer<typeof PanelFile>;

/** @throws Error when the file is not what `make dashboards` writes. */
export function readPanels(): PanelFile {
  return PanelFile.parse(JSON.parse(readFileSync(file, 'utf8')));
}

const PanelList = z.object({ dashboards: z.array(Dashboard), panels: z.array(Panel) });

export function createPanelList(file: PanelFile): Endpoint {
  // Without the queries: the schema does not know them.
  const list = PanelList.parse(file);
  return {
    method: 'GET',
    path: '/api/panels',
    summary: 'The panels, and the dashboards that they are laid out on',
    access: 'console',
    answers: {
      'application/json': {
        name: 'PanelList',
        schema: PanelList,
        example: { dashboards: list.dashboards.slice(0, 1), panels: list.panels.slice(0, 1) },
      },
    },
    errors: ['unauthorized', 'forbidden'],
    handle: (c) => c.json(list),
  };
}
