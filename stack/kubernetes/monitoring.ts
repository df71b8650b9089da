/**
 * The alert rules and Alertmanager's routes as custom resources of the Prometheus Operator, made from the files of the other two
 * modes. Used by `stack/kubernetes.ts`.
 */
import { parser } from '@prometheus-io/lezer-promql';
import { jobs } from '../../otel/names.ts';

export interface RuleFile {
  groups: { name: string; rules: Rule[] }[];
}

interface Rule {
  alert?: string;
  expr: string;
  labels?: Record<string, string>;
}

interface AlertmanagerFile {
  route: Record<string, unknown>;
  inhibit_rules: Record<string, unknown>[];
  receivers: { name: string; webhook_configs?: Record<string, unknown>[] }[];
}

/** A part of `alertmanager.yml` or of an AlertmanagerConfig. */
type Field = string | number | boolean | Field[] | { [name: string]: Field };

const labels = { 'app.kubernetes.io/part-of': 'llamascope' };

/**
 * @param namespace becomes a label of every alert, because the operator adds it to the matchers of an AlertmanagerConfig. Alerts
 * about Prometheus itself would have the namespace of Prometheus, and sums have none.
 */
export function prometheusRule(files: readonly RuleFile[], namespace: string): object {
  const toRule = (rule: Rule): Rule => ({
    ...rule,
    expr: limitToJobs(rule.expr),
    ...(rule.alert !== undefined && { labels: { ...rule.labels, namespace } }),
  });
  return {
    apiVersion: 'monitoring.coreos.com/v1',
    kind: 'PrometheusRule',
    metadata: { name: 'llamascope', labels },
    spec: {
      groups: files
        .flatMap(({ groups }) => groups)
        .map(({ name, rules }) => ({ name: `llamascope-${name}`, rules: rules.map(toRule) })),
    },
  };
}

/**
 * Adds our jobs to the selectors without a job: the Prometheus of a cluster also scrapes other programs, whose `up` would fire our
 * alerts. The names of recording rules, which contain colons, are ours alone.
 */
export function limitToJobs(expr: string): string {
  const matcher = `job=~"${Object.values(jobs).join('|')}"`;
  let limited = '';
  let from = 0;
  parser.parse(expr).iterate({
    enter({ name, node }) {
      if (name !== 'VectorSelector') return;
      const selector = expr.slice(node.from, node.to);
      if (selector.includes(':') || /\bjob=/.test(selector)) return;
      const matchers = node.getChild('LabelMatchers');
      const at = matchers === null ? node.to : matchers.from + 1;
      const hasOthers = matchers !== null && matchers.firstChild !== null;
      const added = hasOthers ? `${matcher}, ` : matcher;
      limited += expr.slice(from, at) + (matchers === null ? `{${added}}` : added);
      from = at;
    },
  });
  return limited + expr.slice(from);
}

/** @param file `stack/alertmanager/alertmanager.yml` with the address of the notifier in the cluster. */
export function alertmanagerConfig(file: AlertmanagerFile): object {
  const authorization = { credentials: { name: 'notifier', key: 'NOTIFIER_TOKEN' } };
  const receivers = file.receivers.map(({ name, webhook_configs: webhooks = [] }) => ({
    name,
    ...(webhooks.length > 0 && {
      webhook_configs: webhooks.map((webhook) => ({
        ...webhook,
        http_config: { authorization },
      })),
    }),
  }));
  return {
    apiVersion: 'monitoring.coreos.com/v1alpha1',
    kind: 'AlertmanagerConfig',
    metadata: { name: 'llamascope', labels },
    spec: toCamelCase({ ...file, receivers } as unknown as Field),
  };
}

/** The fields that the operator names otherwise. */
const renamed: Record<string, string> = {
  source_matchers: 'sourceMatch',
  target_matchers: 'targetMatch',
};

function toCamelCase(field: Field): Field {
  if (Array.isArray(field)) return field.map(toCamelCase);
  if (typeof field !== 'object') return field;
  return Object.fromEntries(
    Object.entries(field).map(([name, value]) => [
      renamed[name] ?? name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase()),
      name.endsWith('matchers') ? (value as string[]).map(parseMatcher) : toCamelCase(value),
    ]),
  );
}

/** `severity = "critical"` → the object that the operator expects. @throws RangeError for another form. */
function parseMatcher(text: string): Field {
  const found = /^(\w+) (=|!=|=~|!~) "(.*)"$/.exec(text);
  if (found === null)
    throw new RangeError(`expected a matcher like severity = "none", got ${text}`);
  const [, name = '', matchType = '', value = ''] = found;
  // A plain `=` is a tag of its own in YAML 1.1, and is the default.
  return { name, ...(matchType !== '=' && { matchType }), value };
}
