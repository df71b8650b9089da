/** GET /api/runbooks/{name}: the runbook of an alert, in both languages. */
import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Endpoint } from '../../api/endpoint.ts';
import { ChatError } from '../../errors.ts';

/** Read as files, because `src` does not import from `alerting`. */
const folder = new URL('../../../alerting/runbooks/', import.meta.url);

/** Markdown by alert name. */
export type Runbooks = ReadonlyMap<string, string>;

export function readRunbooks(): Runbooks {
  const files = readdirSync(folder).filter((file) => file.endsWith('.md'));
  return new Map(
    files.map((file) => [
      file.slice(0, -'.md'.length),
      readFileSync(new URL(file, folder), 'utf8'),
    ]),
  );
}

export function createRunbook(runbooks: Runbooks): Endpoint {
  return {
    method: 'GET',
    path: '/api/runbooks/:name',
    summary: 'The runbook of an alert, as Markdown in English and Chinese',
    access: 'console',
    parameters: {
      name: { in: 'path', description: 'Name of an alert.', example: 'QueueBacklog' },
    },
    answers: {
      'text/markdown': { schema: z.string(), example: '# QueueBacklog\n' },
    },
    errors: ['unauthorized', 'forbidden', 'not_found'],
    handle(c) {
      const page = runbooks.get(c.req.param('name') ?? '');
      if (page === undefined) {
        throw new ChatError('not_found', 'name: no runbook for it. See alerting/runbooks/.', {
          zh: 'name：没有该告警的处理手册。手册位于 alerting/runbooks/。',
        });
      }
      return c.body(page, 200, { 'content-type': 'text/markdown; charset=utf-8' });
    },
  };
}
