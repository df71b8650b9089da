/** What `node --import ./otel/register.ts` loads before a program: telemetry as the OTEL_* variables ask for it. */
import packageJson from '../package.json' with { type: 'json' };
import { startTelemetry } from './sdk.ts';

startTelemetry({
  serviceName: process.env['OTEL_SERVICE_NAME'] ?? packageJson.name,
  serviceVersion: packageJson.version,
  otlpEndpoint:
    process.env['OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'] ?? process.env['OTEL_EXPORTER_OTLP_ENDPOINT'],
});
