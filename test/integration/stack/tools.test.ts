/** Where Prometheus, promtool, Alertmanager, amtool and Chromium are looked for, and what is said when they are nowhere. */
import { chmodSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, expect, onTestFinished, test, vi } from 'vitest';
import { ensureChromium, findChromium } from '../../support/console/chromium.ts';
import { ensureTools, findTools } from '../../../stack/native/tools/tools.ts';

afterEach(() => {
  vi.unstubAllEnvs();
});

function folderWith(...programs: string[]): string {
  const folder = mkdtempSync(path.join(tmpdir(), 'llamascope tools-'));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  return addPrograms(folder, ...programs);
}

function addPrograms(folder: string, ...programs: string[]): string {
  mkdirSync(folder, { recursive: true });
  for (const program of programs) {
    writeFileSync(path.join(folder, program), '#!/bin/sh\n');
    chmodSync(path.join(folder, program), 0o755);
  }
  return folder;
}

test('takes what is on PATH before what was unpacked', async () => {
  const bin = folderWith('prometheus', 'alertmanager');
  const toolsDir = folderWith();
  const unpacked = path.join(toolsDir, 'debian/usr/bin');
  addPrograms(unpacked, 'prometheus', 'promtool', 'prometheus-alertmanager', 'amtool');
  await expect(ensureTools(`/nowhere:${bin}`, toolsDir)).resolves.toEqual({
    prometheus: path.join(bin, 'prometheus'),
    promtool: path.join(unpacked, 'promtool'),
    alertmanager: path.join(bin, 'alertmanager'),
    amtool: path.join(unpacked, 'amtool'),
  });
});

test("knows Debian's name for Alertmanager", () => {
  const bin = folderWith('prometheus-alertmanager');
  expect(findTools(bin, folderWith())).toEqual({
    alertmanager: path.join(bin, 'prometheus-alertmanager'),
  });
});

test('takes neither a folder nor a file that cannot be run', () => {
  const bin = folderWith('promtool');
  chmodSync(path.join(bin, 'promtool'), 0o644);
  mkdirSync(path.join(bin, 'prometheus'));
  expect(findTools(bin, folderWith())).toEqual({});
});

test('says what is missing, why it could not be had, and what to install', async () => {
  const bin = folderWith('prometheus', 'promtool');
  vi.stubEnv('PATH', bin);
  await expect(ensureTools(bin, folderWith())).rejects.toThrow(
    /^Not on PATH: alertmanager, amtool\..*\(apt-get not found\).*prometheus\.io\/download/,
  );
});

test('takes a Chromium by any of its names, on PATH before what was unpacked', () => {
  const toolsDir = folderWith();
  expect(findChromium('/nowhere', toolsDir)).toBeUndefined();
  const unpacked = addPrograms(path.join(toolsDir, 'chromium/usr/bin'), 'chromium');
  expect(findChromium('/nowhere', toolsDir)).toBe(path.join(unpacked, 'chromium'));
  addPrograms(unpacked, 'chromium-headless-shell');
  expect(findChromium('/nowhere', toolsDir)).toBe(path.join(unpacked, 'chromium-headless-shell'));
  const bin = folderWith('google-chrome');
  expect(findChromium(bin, toolsDir)).toBe(path.join(bin, 'google-chrome'));
});

test('says why Chromium could not be had, and what to install', async () => {
  const bin = folderWith();
  vi.stubEnv('PATH', bin);
  await expect(ensureChromium(bin, folderWith())).rejects.toThrow(
    /^Not on PATH: chromium\..*\(apt-get not found\).*apt-get install chromium/,
  );
});
