/** Fills addresses into the configuration of Prometheus and Alertmanager, for the mode that is started. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import type { StackSettings } from './settings.ts';

export interface Rendered {
  prometheus: string;
  alertmanager: string;
}

/** Writes the files and the targets that Prometheus discovers; returns their paths. */
export function renderConfiguration(settings: StackSettings): Rendered {
  const { root, runDir, rulesDir, ports, scrapeInterval } = settings;
  const targets = path.join(runDir, 'targets');
  mkdirSync(targets, { recursive: true });
  for (const [name, port] of Object.entries(ports)) {
    const target = [{ targets: [`127.0.0.1:${port}`] }];
    writeFileSync(path.join(targets, `${name}.json`), JSON.stringify(target));
  }
  const render = (template: string, values: Record<string, string>): string => {
    const text = readFileSync(path.join(root, 'stack', template), 'utf8');
    const file = path.join(runDir, path.basename(template));
    writeFileSync(
      file,
      text.replaceAll(/\{\{(\w+)\}\}/g, (_, name: string) => values[name] ?? ''),
    );
    return file;
  };
  return {
    prometheus: render('prometheus/prometheus.yml', {
      scrape_interval: scrapeInterval,
      rules: rulesDir,
      targets,
    }),
    alertmanager: render('alertmanager/alertmanager.yml', {
      notifier: `127.0.0.1:${ports.notifier}`,
    }),
  };
}
