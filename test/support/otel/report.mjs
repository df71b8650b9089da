// Loaded by `--import` after the register: prints the metrics of the program when it ends.
import { currentTelemetry } from '../../../otel/sdk.ts';

async function report() {
  const { body } = await currentTelemetry().scrape({});
  process.stdout.write(String(body));
}

process.prependOnceListener('beforeExit', () => void report());
