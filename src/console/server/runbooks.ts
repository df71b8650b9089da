/** GET /api/runbooks/{name}: the page of an alert, in both languages, as the console shows it in place. */
import { readdirSync, readFileSync } from 'node:fs';
import { z } from 'zod';
import type { Endpoint } from '../../api/endpoint.ts';
import { createConsoleError } from './text.ts';

/** Beside the rules that name them; files, since nothing here imports from alerting. */
const folder = new URL('../../../alerting/runbooks/', import.meta.url);

/** Name → markdown. */
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
    summary: 'What to do about an alert, as markdown in English and Chinese',
    access: 'console',
    parameters: {
      name: { in: 'path', description: 'The name of an alert.', example: 'QueueBacklog' },
    },
    answers: {
      'text/markdown': { schema: z.string(), example: '# QueueBacklog\n' },
    },
    errors: ['unauthorized', 'forbidden', 'not_found'],
    handle(c) {
      const page = runbooks.get(c.req.param('name') ?? '');
      if (page === undefined) {
        throw createConsoleError('not_found', {
          en: 'name: expected an alert that has a runbook, got another. They are in alerting/runbooks/.',
          zh: 'name：应为有处理手册的告警，收到的是其他名称。手册位于 alerting/runbooks/。',
        });
      }
      return c.body(page, 200, { 'content-type': 'text/markdown; charset=utf-8' });
    },
  };
}
