/** Starts telemetry before a program loads: `node --import ./otel/register.ts src/main.ts`. */
import { readFileSync } from 'node:fs';
import { startTelemetry } from './sdk.ts';

const packageFile = new URL('../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };

try {
  startTelemetry({
    serviceName: process.env['OTEL_SERVICE_NAME'] || 'llamascope',
    serviceVersion: version,
  });
} catch (error) {
  // The cause is an invalid setting: print only the message, which a stack trace would hide.
  process.stderr.write(`${(error as Error).message}\n`);
  process.exit(1);
}
