/** Parses PromQL with Prometheus' own grammar, to find the series and labels of a query. For checks of queries in files. */
import { parser } from '@prometheus-io/lezer-promql';

type SyntaxNode = ReturnType<typeof parser.parse>['topNode'];

/** Series name → its possible labels. */
export type KnownSeries = ReadonlyMap<string, ReadonlySet<string>>;

const comparisons = new Set(['Eql', 'Neq', 'Gtr', 'Gte', 'Lss', 'Lte']);
const setOperators = new Set(['And', 'Or', 'Unless']);

function parse(expr: string): SyntaxNode {
  return parser.parse(expr).topNode;
}

export function isQuery(expr: string): boolean {
  return !everyNode(parse(expr)).some(({ type }) => type.isError);
}

/** One problem for each name in a query that does not exist. */
export function unknownNames(expr: string, known: KnownSeries): string[] {
  if (!isQuery(expr)) return [`not PromQL: ${expr}`];
  const source = (node: SyntaxNode): string => expr.slice(node.from, node.to);
  const labels = (node: SyntaxNode): Set<string> => labelsOf(node, expr, known);
  return everyNode(parse(expr)).flatMap((node) => {
    const asked = namedIn(node, expr);
    if (node.name === 'VectorSelector') {
      const name = metricOf(node, expr);
      const has = labelsOfSeries(name, known);
      return has === undefined ? [`no series ${name}`] : missing(asked, has, name);
    }
    if (node.name === 'AggregateExpr') {
      const body = node.getChild('FunctionCallBody');
      return body === null ? [] : missing(asked, labels(body), source(body));
    }
    if (node.name === 'MatchingModifierClause') {
      const sides = childrenOf(node.parent!).filter(({ name }) => name !== node.name);
      const has = new Set(sides.flatMap((side) => Array.from(labels(side))));
      return missing(asked, has, source(node.parent!));
    }
    return [];
  });
}

const missing = (asked: string[], has: ReadonlySet<string>, where: string): string[] =>
  asked.filter((label) => !has.has(label)).map((label) => `no label ${label} in ${where}`);

/** Names of all series in a query. */
export function seriesIn(expr: string): string[] {
  const selectors = everyNode(parse(expr)).filter(({ name }) => name === 'VectorSelector');
  return selectors.map((node) => metricOf(node, expr));
}

/** The possible labels of the result of a query. */
export function resultLabels(expr: string, known: KnownSeries): Set<string> {
  return labelsOf(parse(expr), expr, known);
}

/**
 * The operands of a condition that must have a value. The result of an alert that does not fire is empty; the values that it
 * compares are not.
 */
export function operandsOf(expr: string): string[] {
  return operands(parse(expr), expr);
}

function operands(node: SyntaxNode, expr: string): string[] {
  const inner = childrenOf(node);
  const source = expr.slice(node.from, node.to);
  if (node.name === 'PromQL' || node.name === 'ParenExpr') {
    return inner.flatMap((child) => operands(child, expr));
  }
  if (node.name === 'BinaryExpr') {
    const splits = inner.some(({ name }) => comparisons.has(name) || setOperators.has(name));
    const sides = [inner[0]!, inner.at(-1)!];
    return splits ? sides.flatMap((side) => operands(side, expr)) : [source];
  }
  if (/^absent(_over_time)?\(/.test(source)) {
    const selectors = everyNode(node).filter(({ name }) => name === 'VectorSelector');
    return selectors.map(({ from, to }) => expr.slice(from, to));
  }
  return node.name === 'NumberDurationLiteral' ? [] : [source];
}

interface Bound {
  series: string;
  bound: string;
  /** Whether the value must equal a bound of the histogram; else it must be below the last bound. */
  exact: boolean;
}

/** Bounds of histograms in a query: `quantile(…) > 5` and `le="5.0"`. */
export function boundsIn(expr: string): Bound[] {
  return everyNode(parse(expr)).flatMap((node): Bound[] => {
    const inner = childrenOf(node);
    if (node.name === 'VectorSelector') {
      const text = expr.slice(node.from, node.to);
      const bounds = [...text.matchAll(/\ble="([^"]*)"/g)];
      return bounds.map(([, bound = '']) => ({ series: metricOf(node, expr), bound, exact: true }));
    }
    const [left, , right] = inner;
    if (node.name !== 'BinaryExpr' || !inner.some(({ name }) => comparisons.has(name))) return [];
    if (left === undefined || right?.name !== 'NumberDurationLiteral') return [];
    const quantiled = everyNode(left).some(({ name }) => name === 'HistogramQuantile');
    const bound = expr.slice(right.from, right.to);
    if (!quantiled || Number(bound) === 0) return [];
    const [series = ''] = seriesIn(expr.slice(left.from, left.to));
    return [{ series, bound, exact: false }];
  });
}

/** Undefined for an unknown name. A selector without a name, `{job="x"}`, selects all series. */
function labelsOfSeries(name: string, known: KnownSeries): ReadonlySet<string> | undefined {
  if (name !== '') return known.get(name);
  return new Set(['__name__', ...[...known.values()].flatMap((labels) => Array.from(labels))]);
}

function labelsOf(node: SyntaxNode, expr: string, known: KnownSeries): Set<string> {
  const inner = childrenOf(node);
  const union = (nodes: SyntaxNode[]): Set<string> =>
    new Set(nodes.flatMap((child) => [...labelsOf(child, expr, known)]));
  if (node.name === 'VectorSelector') return new Set(labelsOfSeries(metricOf(node, expr), known));
  if (node.name === 'AggregateExpr') {
    const named = namedIn(node, expr);
    const without = Boolean(node.getChild('AggregateModifier')?.getChild('Without'));
    const keepsAll = /^(top|bottom|limit)k\b/.test(expr.slice(node.from));
    if (!without && !keepsAll) return new Set(named);
    return new Set([...union(inner)].filter((label) => keepsAll || !named.includes(label)));
  }
  if (node.name === 'BinaryExpr' && !inner.some(({ name }) => name === 'Or')) {
    // The result has the labels of the left side, unless that is a number.
    const sides = inner[0]?.name === 'NumberDurationLiteral' ? inner : inner.slice(0, -1);
    const matching = inner.find(({ name }) => name === 'MatchingModifierClause');
    // `group_left (x)` brings x from the other side.
    return new Set([...union(sides), ...(matching === undefined ? [] : namedIn(matching, expr))]);
  }
  const labels = union(inner);
  if (expr.slice(node.from).startsWith('label_replace(')) {
    const texts = everyNode(node).filter(({ name }) => name === 'StringLiteral');
    // The last four arguments: new label, its value, source label, pattern.
    const added = texts.at(-4);
    if (added !== undefined) labels.add(expr.slice(added.from + 1, added.to - 1));
  }
  return labels;
}

/** Labels in a selector or in a grouping. */
function namedIn(node: SyntaxNode, expr: string): string[] {
  const holders: Record<string, SyntaxNode | null> = {
    VectorSelector: node.getChild('LabelMatchers'),
    AggregateExpr: node.getChild('AggregateModifier'),
    MatchingModifierClause: node,
  };
  const holder = holders[node.name] ?? null;
  const names = holder === null ? [] : everyNode(holder).filter(({ name }) => name === 'LabelName');
  return names.map(({ from, to }) => expr.slice(from, to));
}

function metricOf(selector: SyntaxNode, expr: string): string {
  const name = selector.getChild('Identifier');
  return name === null ? '' : expr.slice(name.from, name.to);
}

function childrenOf(node: SyntaxNode): SyntaxNode[] {
  const children: SyntaxNode[] = [];
  for (let child = node.firstChild; child !== null; child = child.nextSibling) children.push(child);
  return children;
}

function everyNode(node: SyntaxNode): SyntaxNode[] {
  return [node, ...childrenOf(node).flatMap(everyNode)];
}
