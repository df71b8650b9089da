/** What `node --import ./otel/register.ts src/main.ts` loads before the program: it starts the telemetry of the process. */
import { readFileSync } from 'node:fs';
import { startTelemetry } from './sdk.ts';

const packageFile = new URL('../package.json', import.meta.url);
const { version } = JSON.parse(readFileSync(packageFile, 'utf8')) as { version: string };

startTelemetry({
  serviceName: process.env['OTEL_SERVICE_NAME'] || 'llamascope',
  serviceVersion: version,
});
