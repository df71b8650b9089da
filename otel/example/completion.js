// Observes a plain node-llama-cpp program: `node completion.js model.gguf "Once upon a time"`, then open port 9464.
import {
  createInferenceTelemetry,
  observeProcess,
  observeTokens,
  serveTelemetry,
  startTelemetry,
} from '@llamascope/otel';
import { getLlama } from 'node-llama-cpp';

const [modelPath = 'model.gguf', prompt = 'Once upon a time', port = '9464'] =
  process.argv.slice(2);
const telemetry = startTelemetry({ serviceName: 'example', serviceVersion: '1.0.0' });
observeProcess(telemetry.meter, { role: 'engine' });
const server = await serveTelemetry(telemetry, { port: Number(port) });

const llama = await getLlama({ gpu: false, build: 'never', maxThreads: 1 });
const model = await llama.loadModel({ modelPath });
const sequence = (await model.createContext()).getSequence();
const { meter, tracer } = telemetry;
const contextTokens = () => sequence.contextTokens.length;
const inference = createInferenceTelemetry({ meter, tracer, contextTokens, state: () => 'ready' });
inference.setModel({ id: 'example', architecture: model.fileInfo.metadata.general.architecture });
inference.setLimits({ queue: 0, sequences: 1, contextTokens: sequence.contextSize });

const tokens = model.tokenize(prompt);
const facts = { model: 'example', inputTokens: tokens.length, maxTokens: 256 };
const answer = [];
const stream = observeTokens(inference, facts, sequence.evaluate(tokens));
for await (const token of stream) answer.push(token);

const url = `http://127.0.0.1:${server.port}`;
const [trace] = (await telemetry.traces.list()).traces;
process.stdout.write(`${model.detokenize(answer)}\n${url}/metrics\n`);
process.stdout.write(`${url}/api/traces/${trace?.traceId}\n`);
process.on('SIGTERM', () => {
  server.close();
  void telemetry.shutdown().finally(() => process.exit());
});
