/** Launches the Chromium that the console's tests share. */
import path from 'node:path';
import { chromium, type BrowserServer } from 'playwright-core';
import { findChromium } from './chromium.ts';
import { root } from '../stack/sandbox.ts';

/** Chromium makes no requests of its own and resolves no names. */
const flags = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-proxy-server',
  // No spare renderer process for each page.
  '--renderer-process-limit=1',
  '--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1',
];

/** Its profile is a temporary folder that is removed when it closes. @throws Error when there is no Chromium. */
export function launchChromium(): Promise<BrowserServer> {
  const executablePath = findChromium(process.env['PATH'] ?? '', path.join(root, '.tools'));
  if (executablePath === undefined) {
    throw new Error('Chromium not found; `make test` downloads one, or install chromium');
  }
  return chromium.launchServer({ executablePath, args: flags });
}
