/** `make trace ID=...`: draws the waterfall of one request in the terminal; without an id, of the latest one. */
import { styleText } from 'node:util';
import { readLastTraceId, readTrace } from './client.ts';
import { describeError, drawWaterfall } from './waterfall.ts';

/** A pipe or a file has no width. */
const width = process.stdout.columns || 100;

try {
  const given = (process.argv[2] ?? '').trim();
  const id = given === '' || given === 'last' ? await readLastTraceId() : given;
  const trace = await readTrace(id);
  const waterfall = drawWaterfall(trace, { width, paint: styleText });
  process.stdout.write(`trace ${id}\n${describeError(trace)}${waterfall}`);
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`);
  process.exitCode = 1;
}
