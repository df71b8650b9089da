/** Prints the invalid settings of the notifier, one a line. `make up` runs it before it starts anything. */
import { printProblems } from '../../src/kit/settings.ts';
import { readConfig } from './config.ts';

printProblems(() => readConfig(process.env));
