/** NodeLlamaCppInstrumentation in this process: raw evaluations, embeddings and rankings on the real engine. */
import * as llamaCpp from 'node-llama-cpp';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest';
import { telemetry } from '../../support/otel/generation.ts';
import * as observed from '../../support/otel/observed-llama.ts';
import { changesDuring, readSamples } from '../../support/otel/scrape.ts';
import { tree } from '../../support/otel/trace.ts';

const { changes, requests, sequenceOf, spansOf, tokens } = observed;
const { LlamaChatSession, LlamaCompletion, LlamaRankingContext } = llamaCpp;
const inputTokens = 'gen_ai.usage.input_tokens';
const patched = [
  [llamaCpp.Llama, ['loadModel']],
  [
    llamaCpp.LlamaContextSequence,
    ['evaluateWithMetadata', 'evaluateWithoutGeneratingNewTokens', 'controlledEvaluate'],
  ],
  [llamaCpp.LlamaChat, ['generateResponse', 'loadChatAndCompleteUserMessage']],
  [LlamaChatSession, ['promptWithMeta', 'completePromptWithMeta']],
  [LlamaCompletion, ['generateCompletionWithMeta', 'generateInfillCompletionWithMeta']],
  [llamaCpp.LlamaEmbeddingContext, ['getEmbeddingFor']],
  [LlamaRankingContext, ['rank', 'rankAll']],
] as const;
const descriptors = (): unknown[] =>
  patched.flatMap(([{ prototype }, names]) =>
    names.map((name) => Object.getOwnPropertyDescriptor(prototype, name)),
  );

const original = descriptors();
let llama: observed.ObservedLlama;
let demo: llamaCpp.LlamaModel;
let looping: llamaCpp.LlamaModel;

beforeAll(async () => {
  llama = await observed.loadObserved();
  ({ demo, looping } = llama);
});

afterEach(() => vi.unstubAllEnvs());
afterAll(() => llama.dispose());

describe('a raw evaluation', () => {
  test('is completed when the model ends, with the tokens that went in and came out', async () => {
    const sequence = await sequenceOf(demo);
    const prompt = demo.tokenize('Hello\n');
    const answer: number[] = [];
    const counted = await changes(async () => {
      for await (const token of sequence.evaluate(prompt)) answer.push(token);
    });
    expect(counted).toEqual({
      [requests('completed', 'stop')]: 1,
      [tokens('input')]: prompt.length,
      [tokens('output')]: answer.length,
    });
    expect(answer.length).toBeGreaterThan(20);
  });

  test('is completed when its reader has enough, and later counts the state as cached', async () => {
    const sequence = await sequenceOf(looping);
    const prompt = looping.tokenize('Hello\n');
    const read = async (input: llamaCpp.Token[]): Promise<void> => {
      let count = 0;
      for await (const _ of sequence.evaluate(input)) if (++count === 5) break;
    };
    const spans = await spansOf(() => read(prompt));
    expect(tree(spans)).toEqual([
      'prefill < text_completion looping',
      'decode < text_completion looping',
      'text_completion looping < ',
    ]);
    // The fifth token was not evaluated.
    const state = sequence.nextTokenIndex;
    expect(state).toBe(prompt.length + 4);
    expect(await changes(() => read(prompt))).toEqual({
      [requests('completed', 'length')]: 1,
      [tokens('input')]: prompt.length,
      [tokens('cached_input')]: state,
      [tokens('output')]: 5,
    });
  });

  test('is cancelled when its reader leaves before the first token', async () => {
    const sequence = await sequenceOf(looping);
    const iterator = sequence.evaluate(looping.tokenize('Hello'));
    const unread = sequence.evaluate(looping.tokenize('Hello'));
    const counted = await changes(async () => {
      const first = iterator.next();
      await Promise.all([first, iterator.return()]);
      await unread.return();
    });
    // `next` had begun, so that the engine yielded a token before it saw the `return`.
    expect(counted[requests('completed', 'length')]).toBe(1);
    const leaves = await changes(async () => {
      const metadata = sequence.evaluateWithMetadata(looping.tokenize('Hello'), {});
      await metadata.return();
    });
    expect(leaves).toEqual({});
  });

  test('is cancelled when its reader drops the iterator', async () => {
    setFlagsFromString('--expose-gc');
    const collectGarbage = runInNewContext('gc') as () => void;
    const sequence = await sequenceOf(looping);
    const counted = await changes(async () => {
      await sequence.evaluate(looping.tokenize('Hello')).next();
      await vi.waitUntil(async () => {
        collectGarbage();
        return (await readSamples(telemetry)).get('inference_sequences_active') === 0;
      }, 20_000);
    });
    expect(counted).toMatchObject({ [requests('cancelled', 'client_gone')]: 1 });
  });

  test('keeps next(replacement), which is more input', async () => {
    const sequence = await sequenceOf(looping);
    const [one] = looping.tokenize('one');
    const counted = await changes(async () => {
      const iterator = sequence.evaluate(looping.tokenize('Hello\n'));
      await iterator.next();
      const after = await iterator.next([one!, one!, one!]);
      expect(looping.detokenize([after.value!])).toBe(' two');
      await iterator.return();
    });
    expect(counted[tokens('input')]).toBe(looping.tokenize('Hello\n').length + 3);
    expect(sequence.contextTokens.slice(-3)).toEqual([one, one, one]);
  });

  test('fails once when the engine throws', async () => {
    const sequence = await sequenceOf(looping);
    const counted = await changes(async () => {
      const iterator = sequence.evaluate(looping.tokenize('Hello\n'));
      await iterator.next();
      await sequence.dispose();
      await expect(iterator.next()).rejects.toThrow('disposed');
      await iterator.return();
    });
    expect(counted).toMatchObject({ [requests('failed', 'engine_error')]: 1 });
    expect(counted).not.toHaveProperty(requests('completed', 'length'));
  });

  test('has a perplexity if the program asks for confidences', async () => {
    const sequence = await sequenceOf(looping);
    const perplexities = await changesDuring(
      telemetry,
      async () => {
        const options = { confidence: true } as const;
        for await (const _ of sequence.evaluateWithMetadata(looping.tokenize('\n'), options)) break;
      },
      /^inference_perplexity/,
    );
    expect(perplexities).toEqual({ inference_perplexity_count: 1 });
  });

  test('without new tokens, and under control, counts what went in and out', async () => {
    const sequence = await sequenceOf(looping);
    const [first] = looping.tokenize('Hello');
    const [newline] = looping.tokenize('\n');
    expect(
      await changes(() => sequence.evaluateWithoutGeneratingNewTokens([first!, first!])),
    ).toEqual({ [requests('completed', 'length')]: 1, [tokens('input')]: 2 });
    const controlled = await changes(async () => {
      const result = await sequence.controlledEvaluate([
        first!,
        [newline!, { generateNext: { token: true } }],
      ]);
      expect(looping.detokenize([result[1]!.next.token!])).toBe('one');
    });
    expect(controlled).toEqual({
      [requests('completed', 'length')]: 1,
      [tokens('input')]: 2,
      [tokens('cached_input')]: 2,
      [tokens('output')]: 1,
    });
  });

  test('counts no guess of a draft sequence', async () => {
    const draft = await sequenceOf(looping);
    const context = await observed.contextOf(looping);
    const sequence = context.getSequence({
      tokenPredictor: new llamaCpp.DraftSequenceTokenPredictor(draft),
    });
    const counted = await changes(async () => {
      let count = 0;
      for await (const _ of sequence.evaluate(looping.tokenize('\n'))) if (++count === 12) break;
    });
    expect(counted).toEqual({
      [requests('completed', 'length')]: 1,
      [tokens('input')]: 1,
      [tokens('output')]: 12,
    });
    expect(draft.tokenMeter.usedOutputTokens).toBeGreaterThan(0);
  });
});

test('embeddings and rankings are one request each, without output', async () => {
  const embedding = await demo.createEmbeddingContext({ contextSize: 512 });
  const embedded = await spansOf(() => embedding.getEmbeddingFor('Hello'));
  expect(embedded.map(({ name, attributes }) => [name, attributes[inputTokens]])).toEqual([
    ['embeddings llamascope-demo', embedding.calculateInputLength('Hello')],
  ]);
  await embedding.dispose();
  // The demo model cannot rank, but any model can be evaluated for it.
  const pooling = await demo.createContext({ contextSize: 512, _embeddings: true } as object);
  const options = { _llamaContext: pooling, _template: '{{query}}{{document}}' };
  const ranking = Reflect.construct(LlamaRankingContext, [options]) as llamaCpp.LlamaRankingContext;
  const documents = ['one', 'two', 'three'];
  const ranked = await spansOf(() => ranking.rankAndSort('Hello', documents));
  const lengths = documents.map((document) => ranking.calculateInputLength('Hello', document));
  expect(ranked.map(({ name, attributes }) => [name, attributes[inputTokens]])).toEqual([
    ['rerank llamascope-demo', lengths.reduce((sum, length) => sum + length)],
  ]);
  await pooling.dispose();
});

test('content is recorded when the variable asks for it', async () => {
  llama.instrumentation.disable();
  vi.stubEnv('OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT', 'true');
  llama.instrumentation = await observed.observeLlama();
  const completion = new LlamaCompletion({ contextSequence: await sequenceOf(looping) });
  const spans = await spansOf(() => completion.generateCompletion('Hello\n', { maxTokens: 3 }));
  const { attributes } = spans.at(-1)!;
  expect(attributes['gen_ai.input.messages']).toContain('Hello');
  expect(attributes['gen_ai.output.messages']).toContain('one two three');
});

test('disable restores node-llama-cpp, and enable patches it again', async () => {
  expect(descriptors()).not.toEqual(original);
  const { instrumentation } = llama;
  instrumentation.disable();
  expect(descriptors()).toEqual(original);
  const sequence = await sequenceOf(looping);
  const evaluate = (): Promise<void> =>
    sequence.evaluateWithoutGeneratingNewTokens(looping.tokenize('Hello'));
  expect(await changes(evaluate)).toEqual({});
  instrumentation.enable();
  await instrumentation.ready;
  expect((await readSamples(telemetry)).get('inference_ready')).toBe(1);
  expect(await changes(evaluate)).toHaveProperty([requests('completed', 'length')]);
});
