/** Texts by a template of NOTIFIER_CONFIG, in Liquid. Used by `compose.ts`, the webhook channel and the settings. */
import { Liquid } from 'liquidjs';
import { z } from 'zod';

/**
 * LiquidJS runs no code, reads no file and no inherited property here. Its filter `json` writes a text as a JSON string, which Mustache
 * cannot. The limits stop a template that loops. `lenientIf`: `{% if labels.team %}` and `default` accept a label that is missing.
 * https://liquidjs.com/tutorials/options.html
 */
const options = {
  ownPropertyOnly: true,
  strictFilters: true,
  strictVariables: true,
  lenientIf: true,
  templates: {},
  parseLimit: 100_000,
  renderLimit: 1000,
  memoryLimit: 10_000_000,
};

export type Template = (facts: object) => string;

/**
 * `escape` is applied to every output that does not end with the filter `raw`, so that a text of an alert is shown as written.
 * @throws Error for a template that cannot be parsed.
 */
export function parseTemplate(text: string, escape?: (text: string) => string): Template {
  const outputEscape = escape && ((value: unknown): string => escape(toText(value)));
  const engine = new Liquid({ ...options, ...(outputEscape && { outputEscape }) });
  const parsed = engine.parse(text);
  return (facts) => engine.renderSync(parsed, facts) as string;
}

function toText(value: unknown): string {
  if (Array.isArray(value)) return value.map(toText).join('');
  if (typeof value === 'string') return value;
  return value === undefined || value === null ? '' : JSON.stringify(value);
}

/** A setting that contains a template; checked at the start. */
export const template = z.string().superRefine((text, context) => {
  try {
    parseTemplate(text);
  } catch (error) {
    context.addIssue(`expected a Liquid template: ${firstLine(error)}`);
  }
});

/** LiquidJS names the variable or filter and its place in the template. It adds the lines around it below. */
export function firstLine(error: unknown): string {
  const [line = ''] = (error instanceof Error ? error.message : '').split('\n');
  return line.slice(0, 200);
}
