/** The search for Prometheus, promtool, Alertmanager, amtool and Chromium, and the messages when they are missing. */
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

test('prefers programs on PATH to unpacked ones', async () => {
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

test("finds Alertmanager by Debian's name", () => {
  const bin = folderWith('prometheus-alertmanager');
  expect(findTools(bin, folderWith())).toEqual({
    alertmanager: path.join(bin, 'prometheus-alertmanager'),
  });
});

test('ignores folders and files that are not executable', () => {
  const bin = folderWith('promtool');
  chmodSync(path.join(bin, 'promtool'), 0o644);
  mkdirSync(path.join(bin, 'prometheus'));
  expect(findTools(bin, folderWith())).toEqual({});
});

test('names the missing programs, why they could not be fetched, and what to install', async () => {
  const bin = folderWith('prometheus', 'promtool');
  vi.stubEnv('PATH', bin);
  await expect(ensureTools(bin, folderWith())).rejects.toThrow(
    /^Not on PATH: alertmanager, amtool\..*\(apt-get not found\).*prometheus\.io\/download/,
  );
});

test('finds Chromium by any of its names, and prefers PATH', () => {
  const toolsDir = folderWith();
  expect(findChromium('/nowhere', toolsDir)).toBeUndefined();
  const unpacked = addPrograms(path.join(toolsDir, 'chromium/usr/bin'), 'chromium');
  expect(findChromium('/nowhere', toolsDir)).toBe(path.join(unpacked, 'chromium'));
  addPrograms(unpacked, 'chromium-headless-shell');
  expect(findChromium('/nowhere', toolsDir)).toBe(path.join(unpacked, 'chromium-headless-shell'));
  const bin = folderWith('google-chrome');
  expect(findChromium(bin, toolsDir)).toBe(path.join(bin, 'google-chrome'));
});

test('explains why Chromium could not be fetched, and what to install', async () => {
  const bin = folderWith();
  vi.stubEnv('PATH', bin);
  await expect(ensureChromium(bin, folderWith())).rejects.toThrow(
    /^Not on PATH: chromium\..*\(apt-get not found\).*apt-get install chromium/,
  );
});
