/** State shared by all observed operations: instruments, the models in use, their contexts and sequences. */
import type { Meter, Tracer } from '@opentelemetry/api';
import { capturesContent } from '../environment.ts';
import { createInferenceTelemetry, type InferenceTelemetry } from '../generation/inference.ts';
import { createInstruments } from '../metrics/instruments.ts';
import { noLabels, withLabel } from '../metrics/series.ts';
import { attributes as a } from '../names.ts';
import {
  describeModel,
  modelName,
  type Context,
  type Model,
  type NodeLlamaCpp,
  type Sequence,
} from './llama.ts';

export interface Observer {
  readonly inference: InferenceTelemetry;
  readonly tracer: Tracer;
  readonly capturesContent: boolean;
  /** Called with each sequence that is used. */
  sees(sequence: Sequence): void;
  /** Called with each model that is loaded. */
  loaded(model: Model, seconds: number): void;
  /** Counts input tokens that belong to no prefill. */
  reevaluated(tokens: number): void;
}

const inputToken = withLabel(noLabels, a.type, 'input');

export function createObserver(
  meter: Meter,
  tracer: Tracer,
  fileTypes: NodeLlamaCpp['GgufFileType'],
): Observer {
  const sequences = createWeakSet<Sequence>();
  const contexts = createWeakSet<Context>();
  const models = new WeakSet<Model>();
  let hasModel = false;
  const instruments = createInstruments(meter);
  const inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () =>
      sequences
        .values()
        .filter(({ disposed }) => !disposed)
        .reduce((sum, { nextTokenIndex }) => sum + nextTokenIndex, 0),
    state: () => (hasModel ? 'ready' : 'loading'),
  });

  function addModel(model: Model, loadSeconds?: number): void {
    if (models.has(model)) return;
    models.add(model);
    hasModel = true;
    inference.addModel({
      id: modelName(model),
      ...describeModel(model, fileTypes),
      ...(loadSeconds === undefined ? {} : { loadSeconds }),
    });
  }

  function addContext(context: Context): void {
    if (!contexts.add(context)) return;
    const open = contexts.values().filter(({ disposed }) => !disposed);
    const total = open.reduce((sum, { totalSequences }) => sum + totalSequences, 0);
    const tokens = open.reduce((sum, each) => sum + each.totalSequences * each.contextSize, 0);
    inference.setLimits({ queue: 0, sequences: total, contextTokens: tokens });
  }

  return {
    inference,
    tracer,
    capturesContent: capturesContent(process.env),
    sees(sequence) {
      if (!sequences.add(sequence)) return;
      addModel(sequence.model);
      addContext(sequence.context);
    },
    loaded: addModel,
    reevaluated: (tokens) => instruments.add('inferenceTokens', tokens, inputToken),
  };
}

interface WeakValues<Value> {
  /** @returns false if it is known. */
  add(value: Value): boolean;
  values(): Value[];
}

/** node-llama-cpp frees a sequence that nobody holds, so that telemetry must not hold it. */
function createWeakSet<Value extends object>(): WeakValues<Value> {
  const known = new WeakSet<Value>();
  let references: WeakRef<Value>[] = [];
  return {
    add(value) {
      if (known.has(value)) return false;
      known.add(value);
      references.push(new WeakRef(value));
      return true;
    },
    values() {
      references = references.filter((reference) => reference.deref() !== undefined);
      return references.flatMap((reference) => reference.deref() ?? []);
    },
  };
}
