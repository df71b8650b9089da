/** Texts by a template of NOTIFIER_CONFIG, in Liquid. Used by the webhook channel. */
import { Liquid } from 'liquidjs';

/**
 * LiquidJS runs no code, reads no file and no inherited property here. Its filter `json` writes a text as a JSON string, which Mustache
 * cannot. The limits stop a template that loops. https://liquidjs.com/tutorials/options.html
 */
const engine = new Liquid({
  ownPropertyOnly: true,
  strictFilters: true,
  strictVariables: true,
  templates: {},
  parseLimit: 100_000,
  renderLimit: 1000,
  memoryLimit: 10_000_000,
});

export type Template = (facts: object) => string;

/** @throws Error for a template that cannot be parsed. */
export function parseTemplate(text: string): Template {
  const parsed = engine.parse(text);
  return (facts) => engine.renderSync(parsed, facts) as string;
}
