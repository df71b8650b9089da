/**
 * Prints the environment variables of all channels, one a line. `stack/` runs it to know which variables a container needs, so
 * that a new channel needs no change there.
 */
import { kinds, variablesOf } from './channels/channels.ts';

process.stdout.write(`${variablesOf(kinds).join('\n')}\n`);
