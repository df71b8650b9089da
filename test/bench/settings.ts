/** Settings of `make bench`, from the environment. */
import path from 'node:path';
import { fileURLToPath } from 'node:url';
import { z } from 'zod';
import { createSettings, flag, integer } from '../../src/kit/settings.ts';

export interface Settings {
  /** CHAT_MODEL, which `make bench MODEL=` sets: an id of the catalogue or a file. Undefined: the best that is on disk. */
  model: string | undefined;
  modelsDir: string;
  /** Path of the program; undefined: llama-server is not measured. */
  llamaServer: string | undefined;
  /** Another checkout of this repository, which is measured beside this one; undefined: none. */
  baseline: string | undefined;
  /** The JSON file of results. README.md and plots are written beside it. */
  results: string;
  /** Rounds of ours and llama-server at their defaults. */
  rounds: number;
  /** Rounds of the other contenders. */
  minorRounds: number;
  /** Stops before a part that would end later; the next run goes on with it. The first part is always measured. */
  stopAfterMinutes: number;
  /** A part is measured again if other programs kept more cores busy. By default none is. */
  quietCores: number;
  /** Starts anew even if the file of results is of another machine, model or plan. */
  fresh: boolean;
  /** A short run that only checks that every part works. Its numbers are not meaningful. */
  smoke: boolean;
}

/** @throws Error that lists every invalid setting. */
export function readSettings(env: NodeJS.ProcessEnv): Settings {
  const settings = createSettings(env);
  const local = (name: string) => fileURLToPath(new URL(name, import.meta.url));
  const smoke = settings.text('SMOKE') !== undefined;
  const results = settings.text('RESULTS');
  const read: Settings = {
    model: settings.text('CHAT_MODEL'),
    modelsDir: settings.text('CHAT_MODELS_DIR') ?? local('../../models'),
    llamaServer: settings.text('LLAMA_SERVER'),
    baseline: settings.text('BASELINE'),
    results: path.resolve(
      results ?? local(smoke ? '../../.tools/bench/smoke.json' : 'results.json'),
    ),
    rounds: settings.read('ROUNDS', integer(1, 100), smoke ? 1 : 6),
    minorRounds: settings.read('MINOR_ROUNDS', integer(0, 100), smoke ? 1 : 2),
    stopAfterMinutes: settings.read('STOP_AFTER_MINUTES', integer(0, 10_000), Infinity),
    quietCores: settings.read('QUIET_CORES', z.coerce.number<string>().min(0), Infinity),
    fresh: settings.read('FRESH', flag, smoke),
    smoke,
  };
  settings.throwProblems();
  return read;
}
