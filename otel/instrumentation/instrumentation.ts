/** Observes every use of node-llama-cpp in a program without a changed line. The export `./instrumentation` of `@llamascope/otel`. */
import { diag, type MeterProvider, type TracerProvider } from '@opentelemetry/api';
import { InstrumentationBase, type InstrumentationConfig } from '@opentelemetry/instrumentation';
import { pathToFileURL } from 'node:url';
import { version } from '../version.ts';
import {
  wrapControlledEvaluate,
  wrapEvaluateWithMetadata,
  wrapEvaluateWithoutGenerating,
} from './evaluations.ts';
import { findNodeLlamaCpp } from './find.ts';
import { wrapChat, wrapCompletion, wrapLoadModel, wrapPooling } from './functions.ts';
import type { NodeLlamaCpp } from './llama.ts';
import { createObserver, type Observer } from './observer.ts';
import { wrapPrompt } from './prompts.ts';

export interface NodeLlamaCppInstrumentationConfig extends InstrumentationConfig {
  /** Absolute path of a file that imports node-llama-cpp; the default is the file that started the program. */
  entry?: string;
}

/**
 * `instrumentations: [new NodeLlamaCppInstrumentation()]`. It imports node-llama-cpp and patches its classes, so that the program may
 * import node-llama-cpp before or after. Without node-llama-cpp it logs one warning.
 */
export class NodeLlamaCppInstrumentation extends InstrumentationBase<NodeLlamaCppInstrumentationConfig> {
  /** Resolves when node-llama-cpp is patched, or cannot be. Never rejects. */
  ready: Promise<void> = Promise.resolve();
  #llama: NodeLlamaCpp | undefined;
  #observer: Observer | undefined;
  #undo: (() => void)[] = [];

  constructor(config: NodeLlamaCppInstrumentationConfig = {}) {
    // The constructor of the base class would call `enable` before the fields above exist.
    super('@llamascope/otel', version, { ...config, enabled: false });
    this.setConfig(config);
    if (config.enabled !== false) this.enable();
  }

  /** No hooks of the module loader: they see no ES module that was imported before. */
  protected override init(): void {}

  override enable(): void {
    if (this.isEnabled()) return;
    super.enable();
    this.ready = this.#patch().catch((error: unknown) => {
      diag.error('node-llama-cpp is not observed:', error);
    });
  }

  /** Restores node-llama-cpp. Operations that run are observed to their end. */
  override disable(): void {
    super.disable();
    for (const undo of this.#undo.splice(0)) undo();
  }

  override setTracerProvider(provider: TracerProvider): void {
    super.setTracerProvider(provider);
    this.#observe();
  }

  override setMeterProvider(provider: MeterProvider): void {
    super.setMeterProvider(provider);
    this.#observe();
  }

  /** Creates the series of all metrics, before the first operation. */
  #observe(): void {
    if (this.#llama === undefined) return;
    this.#observer = createObserver(this.meter, this.tracer, this.#llama.GgufFileType);
  }

  async #patch(): Promise<void> {
    const { file, problem } = findNodeLlamaCpp(this.getConfig().entry);
    if (problem !== undefined) diag.warn(problem);
    if (file === undefined) return;
    this.#llama = (await import(pathToFileURL(file).href)) as NodeLlamaCpp;
    // Unless `disable` was called, or was called and `enable` again, during the import.
    if (!this.isEnabled() || this.#undo.length > 0) return;
    // Enabled again, the observer still knows the models and sequences.
    if (this.#observer === undefined) this.#observe();
    const wrap = <Name extends string>(
      prototype: Record<Name, unknown>,
      wrappers: Record<Name, (original: never) => unknown>,
    ): void => {
      for (const name of Object.keys(wrappers) as Name[]) {
        this._wrap(prototype, name, wrappers[name] as (original: unknown) => unknown);
        this.#undo.push(() => this._unwrap(prototype, name));
      }
    };
    const observer = (): Observer => this.#observer!;
    const llama = this.#llama;
    wrap(llama.Llama.prototype, { loadModel: wrapLoadModel(observer) });
    wrap(llama.LlamaContextSequence.prototype, {
      evaluateWithMetadata: wrapEvaluateWithMetadata(observer),
      evaluateWithoutGeneratingNewTokens: wrapEvaluateWithoutGenerating(observer),
      controlledEvaluate: wrapControlledEvaluate(observer),
    });
    wrap(llama.LlamaChat.prototype, {
      generateResponse: wrapChat(observer),
      loadChatAndCompleteUserMessage: wrapChat(observer),
    });
    wrap(llama.LlamaChatSession.prototype, {
      promptWithMeta: wrapPrompt(observer, { runsFunctions: true }),
      completePromptWithMeta: wrapPrompt(observer, { runsFunctions: false }),
    });
    wrap(llama.LlamaCompletion.prototype, {
      generateCompletionWithMeta: wrapCompletion(observer, 1),
      generateInfillCompletionWithMeta: wrapCompletion(observer, 2),
    });
    wrap(llama.LlamaEmbeddingContext.prototype, {
      getEmbeddingFor: wrapPooling(observer, 'embeddings'),
    });
    wrap(llama.LlamaRankingContext.prototype, {
      rank: wrapPooling(observer, 'rerank'),
      rankAll: wrapPooling(observer, 'rerank'),
    });
  }
}
