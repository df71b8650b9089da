/** The summary of a rule is a template of Prometheus: `{{ $labels.job }} is down`. */

/** A label without a value stays as its name. */
export function fillLabels(template: string, labels: Record<string, string>): string {
  return template.replaceAll(
    /\{\{ *\$labels\.(\w+) *\}\}/g,
    (_, name: string) => labels[name] ?? name,
  );
}
