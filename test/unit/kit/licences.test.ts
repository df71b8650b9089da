/** The licences of all dependencies, as the lockfile and the installed packages name them. */
import { existsSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';

/** SPDX identifiers, https://spdx.org/licenses: they ask for a notice at most. */
const shipped = [
  '0BSD',
  'Apache-2.0',
  'BSD-2-Clause',
  'BSD-3-Clause',
  'BlueOak-1.0.0',
  'ISC',
  'MIT',
  'MIT-0',
  'PSF-2.0',
];
/** Of packages that only develop and test this one: changes to their own files would have to be published. */
const development = [...shipped, 'CC0-1.0', 'MPL-2.0', 'Unlicense'];

interface Locked {
  license?: string;
  dev?: boolean;
  link?: boolean;
}

const read = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));

/** One of the alternatives of `(MIT OR Apache-2.0)` is enough. */
const isAllowed = (licence: string, allowed: readonly string[]): boolean =>
  licence
    .replaceAll(/[()]/g, '')
    .split(' OR ')
    .some((each) => allowed.includes(each));

test('every dependency has a licence of the list, and the installed package names the same', () => {
  const { packages } = read('package-lock.json') as {
    packages: Record<string, Locked>;
  };
  const locked = Object.entries(packages).filter(([path, { link }]) => path !== '' && !link);
  expect(locked.length).toBeGreaterThan(300);
  const others = locked.flatMap(([path, { license = 'none', dev = false }]) => {
    const file = `${path}/package.json`;
    const installed = existsSync(file) ? (read(file) as Locked).license : undefined;
    const isFine =
      isAllowed(license, dev ? development : shipped) &&
      (typeof installed !== 'string' || installed === license);
    return isFine ? [] : [`${path}: ${license}, installed: ${installed}`];
  });
  expect(others).toEqual([]);
});
