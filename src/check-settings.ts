/** Prints the invalid settings of the chat service, one a line. `make up` runs it before it starts anything. */
import { createLogger } from '../otel/logger.ts';
import { readConfig } from './config.ts';
import { printProblems } from './kit/settings.ts';

printProblems(
  () => readConfig(process.env),
  // LOG_LEVEL and LOG_FORMAT.
  () => createLogger({ name: 'check', exported: false }),
);
