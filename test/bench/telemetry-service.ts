/** Measures the speed of the service with all telemetry, divided by its speed with OTEL_SDK_DISABLED (tokens per second). */
import { startChatService, type ChatService } from '../support/api/chat-service.ts';
import { streamChat } from './chat-stream.ts';
import { writeQuestion } from './text.ts';

export interface Workload {
  model: string;
  modelPath: string;
  streams: number;
  outputTokens: number;
}

export interface Ratio extends Workload {
  /** Tokens per second of each round. */
  on: number[];
  off: number[];
}

const promptTokens = 32;
const scrapeMillis = 1000;

/** Both services run at the same time and take turns. The one with telemetry is scraped every second. */
export async function measureRatios(
  workloads: readonly Workload[],
  options: { rounds: number; threads: number; onRound: (name: string) => void },
): Promise<Ratio[]> {
  const results: Ratio[] = [];
  for (const modelPath of new Set(workloads.map((workload) => workload.modelPath))) {
    const env = {
      CHAT_MODEL: modelPath,
      CHAT_THREADS: String(options.threads),
      CHAT_SEQUENCES: '8',
      CHAT_CONTEXT: '1024',
      CHAT_API_KEYS: '',
      METRICS_TOKEN: '',
    };
    const on = await startChatService(env);
    const off = await startChatService({ ...env, OTEL_SDK_DISABLED: 'true' });
    try {
      for (const workload of workloads.filter((each) => each.modelPath === modelPath)) {
        options.onRound(`${workload.model}, ${workload.streams} streams`);
        results.push(await measureRatio(workload, { on, off, rounds: options.rounds }));
      }
    } finally {
      await Promise.all([on.stop(), off.stop()]);
    }
  }
  return results;
}

async function measureRatio(
  workload: Workload,
  { on, off, rounds }: { on: ChatService; off: ChatService; rounds: number },
): Promise<Ratio> {
  const result: Ratio = { ...workload, on: [], off: [] };
  // The first round warms up. The first service of a round is the last of the next.
  for (let round = 0; round <= rounds; round += 1) {
    const turns = [
      async () => result.on.push(await measureScraped(on, workload, round)),
      async () => result.off.push(await measureSpeed(off, workload, round)),
    ];
    for (const turn of round % 2 === 0 ? turns : turns.toReversed()) await turn();
  }
  result.on.shift();
  result.off.shift();
  return result;
}

async function measureScraped(
  service: ChatService,
  workload: Workload,
  round: number,
): Promise<number> {
  const scrape = (): void => void fetch(`${service.url}/metrics`).then((answer) => answer.text());
  const timer = setInterval(scrape, scrapeMillis);
  try {
    return await measureSpeed(service, workload, round);
  } finally {
    clearInterval(timer);
  }
}

/** Both services get the same prompts in a round; each round has new prompts. Sampling is greedy, so that the work is the same. */
async function measureSpeed(
  service: ChatService,
  { streams, outputTokens }: Workload,
  round: number,
): Promise<number> {
  const startedAt = performance.now();
  const answers = await Promise.all(
    Array.from({ length: streams }, (_, stream) =>
      streamChat(service.url, {
        messages: [{ role: 'user', content: writeQuestion(promptTokens, round * 1000 + stream) }],
        maxTokens: outputTokens,
      }),
    ),
  );
  const seconds = (performance.now() - startedAt) / 1000;
  return answers.reduce((sum, answer) => sum + answer.outputTokens, 0) / seconds;
}
