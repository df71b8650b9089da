/** Prints the invalid settings of the chat service, one a line. `make up` runs it before it starts anything. */
import { readConfig } from './config.ts';
import { printProblems } from './kit/settings.ts';

printProblems(() => readConfig(process.env));
