/**
 * `llamascope/otel`: what a program with node-llama-cpp and no server of ours needs, and nothing of how it is made. Our own code
 * imports the files themselves.
 */
export { observeServer, setRoute } from './http.ts';
export { createInferenceTelemetry } from './generation/inference.ts';
export type { Generation, GenerationSummary, InferenceTelemetry } from './generation/inference.ts';
export { createLogger } from './logger.ts';
export { observeTokens } from './generation/observe-tokens.ts';
export { observeProcess } from './process/process.ts';
export { startTelemetry } from './sdk.ts';
export type { Telemetry } from './sdk.ts';
export { serveTelemetry } from './serve.ts';
