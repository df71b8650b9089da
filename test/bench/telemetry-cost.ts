/** What a generation costs when it is observed: microseconds a token and a request, spans and the store of traces included. */
import {
  createInferenceTelemetry,
  type InferenceTelemetry,
} from '../../otel/generation/inference.ts';
import { startTelemetry } from '../../otel/sdk.ts';
import { median } from './statistics.ts';

export interface Cost {
  /** Of the first 200 requests of a process. */
  coldRequestMicros: number;
  requestMicros: number;
  tokenMicros: number;
}

const requestsARound = 1000;
const tokensARequest = 100;

/** Medians over the rounds; a token's cost is what 100 of them add to a request without any. */
export function measureCost(rounds: number): Cost {
  const { meter, tracer } = startTelemetry({ serviceName: 'bench', serviceVersion: '0' });
  const inference = createInferenceTelemetry({
    meter,
    tracer,
    contextTokens: () => 0,
    ready: () => true,
  });
  inference.setModel({ id: 'bench' });
  const coldRequestMicros = microsARequest(inference, 200, 0);
  const requests: number[] = [];
  const tokens: number[] = [];
  for (let round = 0; round < rounds; round += 1) {
    const bare = microsARequest(inference, requestsARound, 0);
    const full = microsARequest(inference, requestsARound, tokensARequest);
    requests.push(bare);
    tokens.push((full - bare) / tokensARequest);
  }
  return { coldRequestMicros, requestMicros: median(requests), tokenMicros: median(tokens) };
}

function microsARequest(inference: InferenceTelemetry, count: number, tokens: number): number {
  // CPU time of this thread: what others do on the machine at that moment is not in it.
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
