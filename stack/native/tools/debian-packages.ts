/** Debian's Prometheus and Alertmanager, arranged to run from a folder. Used by `tools.ts`. */
import { mkdirSync, readFileSync, renameSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { unpackPackages, wrapper, writeProgram } from './debian-archive.ts';

/** The programs, and the libraries of Prometheus' web page. In Debian 13 promtool is a separate package. */
const packages = [
  'prometheus',
  'promtool',
  'prometheus-alertmanager',
  'fonts-glyphicons-halflings',
  'libjs-bootstrap4',
  'libjs-d3',
  'libjs-eonasdan-bootstrap-datetimepicker',
  'libjs-jquery',
  'libjs-jquery-hotkeys',
  'libjs-moment',
  'libjs-moment-timezone',
  'libjs-mustache',
  'libjs-popper.js',
  'libjs-rickshaw',
];

/** @throws StackError when the disk is too full, Error with apt's message when the packages cannot be fetched. */
export async function unpackDebianPackages(folder: string): Promise<void> {
  await unpackPackages(folder, {
    packages,
    withDependencies: false,
    neededMegabytes: 400,
    arrange(root) {
      wrapPrometheus(root);
      wrapAlertmanager(root);
    },
  });
}

/** By default Debian's Prometheus reads its web page from /usr/share. */
function wrapPrometheus(root: string): void {
  const program = moveToLib(root, 'prometheus');
  writeProgram(
    join(root, 'usr/bin/prometheus'),
    `${wrapper}exec "$root/${program}" --web.local-assets="$root/usr/share/prometheus/web" "$@"\n`,
  );
}

/**
 * Debian's Alertmanager does not start without the templates in /usr/share; the path is compiled in (seen in 0.25, 0.28 and
 * 0.33). This replaces it by a path of the same length to a descriptor that the wrapper script opens.
 */
function wrapAlertmanager(root: string): void {
  const program = moveToLib(root, 'prometheus-alertmanager');
  const compiledIn = '/usr/share/prometheus/alertmanager';
  const here = '/proc/self/fd/9'.padEnd(compiledIn.length, '/');
  const content = readFileSync(join(root, program));
  for (let at = -1; (at = content.indexOf(compiledIn, at + 1)) !== -1;) content.write(here, at);
  writeProgram(join(root, program), content);
  writeProgram(
    join(root, 'usr/bin/prometheus-alertmanager'),
    `${wrapper}exec 9<"$root${compiledIn}"\nexec "$root/${program}" "$@"\n`,
  );
}

/** Moves a program out of `usr/bin`; returns its new path within `root`. */
function moveToLib(root: string, name: string): string {
  const path = `usr/lib/llamascope/${name}`;
  mkdirSync(dirname(join(root, path)), { recursive: true });
  renameSync(join(root, 'usr/bin', name), join(root, path));
  return path;
}
