/** Measures the cost of observing a generation in microseconds per token and per request, including spans and the trace store. */
import {
  createInferenceTelemetry,
  type InferenceTelemetry,
} from '../../otel/generation/inference.ts';
import { startTelemetry } from '../../otel/sdk.ts';
import { median } from './statistics.ts';

export interface Cost {
  /** For the first 200 requests of a process. */
  coldRequestMicros: number;
  requestMicros: number;
  tokenMicros: number;
}

const requestsPerRound = 1000;
const tokensPerRequest = 100;

/** Medians of the rounds. The cost of a token is the difference between a request with 100 tokens and one without, over 100. */
export function measureCost(rounds: number): Cost {
  const { meter, tracer } = startTelemetry({ serviceName: 'bench', serviceVersion: '0' });
  const inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () => 0,
    state: () => 'ready',
  });
  inference.setModel({ id: 'bench' });
  const coldRequestMicros = microsPerRequest(inference, 200, 0);
  const requests: number[] = [];
  const tokens: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bare = microsPerRequest(inference, requestsPerRound, 0);
    const full = microsPerRequest(inference, requestsPerRound, tokensPerRequest);
    requests.push(bare);
    tokens.push((full - bare) / tokensPerRequest);
  }
  return { coldRequestMicros, requestMicros: median(requests), tokenMicros: median(tokens) };
}

function microsPerRequest(inference: InferenceTelemetry, count: number, tokens: number): number {
  // CPU time of this thread, so that other programs do not count.
  const before = process.threadCpuUsage();
  for (let index = 0; index < count; index += 1) observe(inference, tokens);
  const { user, system } = process.threadCpuUsage(before);
  return (user + system) / count;
}

function observe(inference: InferenceTelemetry, tokens: number): void {
  const at = Date.now();
  const generation = inference.begin({ operation: 'chat', at });
  generation.admitted({
    model: 'bench',
    requestedModel: 'bench',
    responseId: 'chatcmpl-0',
    stream: true,
    maxTokens: 100,
    temperature: 0.7,
    topP: 0.8,
    topK: 20,
    seed: 1,
    stop: ['END'],
    at,
  });
  generation.tokenized({ startedAt: at, endedAt: at + 1, inputTokens: 40 });
  generation.queued({ at: at + 1, position: 0 });
  generation.started({ at: at + 2 });
  generation.prefilled({ startedAt: at + 2, endedAt: at + 9, inputTokens: 40, cachedTokens: 8 });
  for (let token = 1; token <= tokens; token += 1) generation.token({ at: at + 9 + token * 7 });
  generation.streamEnded('done');
  generation.end({ outcome: 'completed', reason: 'stop', at: at + 10 + tokens * 7 });
}
