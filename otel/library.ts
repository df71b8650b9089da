/** Public API of `@llamascope/otel`, for any program on node-llama-cpp. llamascope itself imports the files directly. */
export { monotonicMillis } from './clock.ts';
export { observeServer, setRoute } from './http.ts';
export { createInferenceTelemetry } from './generation/inference.ts';
export type {
  Embeddings,
  EmbeddingsSummary,
  Generation,
  GenerationSummary,
  InferenceTelemetry,
} from './generation/inference.ts';
export { createLogger } from './logger.ts';
export { observeTokens } from './generation/observe-tokens.ts';
export { observeProcess } from './process/process.ts';
export { currentTelemetry, startTelemetry } from './sdk.ts';
export type { Telemetry } from './sdk.ts';
export { serveTelemetry } from './serve.ts';
