/** What the tap reads of an answer: events, and the outline of a body, wherever the bytes are cut. */
import { gzipSync } from 'node:zlib';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countsOf, noFacts, takeEvent } from '../../../src/tap/answer-facts.ts';
import {
  broken,
  createAnswerReader,
  createJsonReader,
  createStreamReader,
  done,
} from '../../../src/tap/answer-reader.ts';
import { withoutQuotes } from '../../../src/tap/backend-error.ts';
import { streams } from '../../support/tap/stand-in.ts';

type Create = typeof createStreamReader;

/** Reads `bytes` in pieces that end at `cuts`. */
async function read(
  create: Create,
  bytes: Uint8Array,
  { cuts = [], encoding }: { cuts?: readonly number[]; encoding?: string } = {},
): Promise<unknown[]> {
  const events: unknown[] = [];
  const reader = createAnswerReader(
    encoding,
    create((event) => events.push(event)),
  )!;
  const ends = [...cuts, bytes.length].toSorted((a, b) => a - b);
  let from = 0;
  for (const to of ends) {
    await reader.push(bytes.subarray(from, to));
    from = to;
  }
  await reader.end();
  return events;
}

const cutsOf = (bytes: Uint8Array) => fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 });

describe('events', () => {
  const text = `\uFEFF: a comment\r\n\r\n${Object.values(streams).flat().join('')}event: x\rid: 1\r\rdata:{"a":\r\ndata: "é\\u00e9 \\"}\\n"}\r\n\r\ndata\n\nretry: 5\n\n`;
  const bytes = Buffer.from(text);

  test('are the same wherever the bytes are cut', async () => {
    const whole = await read(createStreamReader, bytes);
    expect(whole.slice(-2)).toEqual([{ a: 'éé "}\n' }, broken]);
    expect(whole.filter((event) => event === done)).toHaveLength(3);
    await fc.assert(
      fc.asyncProperty(cutsOf(bytes), async (cuts) => {
        expect(await read(createStreamReader, bytes, { cuts })).toEqual(whole);
      }),
    );
  });

  test('that are no JSON are broken, and the next one is read', async () => {
    const text = 'data: {"a":[1,\n\ndata: "unended\n\ndata: {"b":1}\n\ndata: {"c"';
    const events = await read(createStreamReader, Buffer.from(text));
    expect(events).toEqual([broken, broken, { b: 1 }, broken]);
  });

  test('of more than 4 MiB are skipped, and the next one is read', async () => {
    const text = `data: "${'x'.repeat(5_000_000)}"\n\ndata: {"b":1}\n\n`;
    const cuts = Array.from({ length: 76 }, (_, at) => at * 65_536);
    expect(await read(createStreamReader, Buffer.from(text), { cuts })).toEqual([{ b: 1 }]);
  });
});

describe('the outline of a JSON body', () => {
  /** What the outline keeps of a value with short strings. */
  function outline(value: unknown): unknown {
    if (Array.isArray(value)) return value.slice(0, 1).map(outline);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, outline(each)]));
  }

  test('has every member, and the first element of arrays', async () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    await fc.assert(
      fc.asyncProperty(
        json,
        fc.array(fc.nat({ max: 200 }), { maxLength: 5 }),
        async (value, cuts) => {
          const bytes = Buffer.from(JSON.stringify(value));
          const within = cuts.filter((cut) => cut < bytes.length);
          const [event] = await read(createJsonReader, bytes, { cuts: within });
          expect(event).toEqual(outline(JSON.parse(String(bytes))));
        },
      ),
    );
  });

  test('of a long answer is short, and has what follows it', async () => {
    const content = '\\ "é\u2028\u0001'.repeat(10_000);
    const embedding = Array.from({ length: 1000 }, (_, at) => at / 7);
    const data = Array.from({ length: 50 }, () => ({ embedding }));
    const body = { choices: [{ message: { content } }], data, usage: { prompt_tokens: 7 } };
    const bytes = Buffer.from(JSON.stringify(body));
    for (const size of [1000, 1001, 1002, 1003, 1004, 1005]) {
      const cuts = Array.from({ length: Math.floor(bytes.length / size) }, (_, at) => at * size);
      const [event] = await read(createJsonReader, bytes, { cuts });
      expect(event).toMatchObject({ usage: { prompt_tokens: 7 } });
      expect(JSON.stringify(event).length).toBeLessThan(2000);
    }
  });

  test('of a body with very many members or levels is none', async () => {
    const many = Object.fromEntries(Array.from({ length: 20_000 }, (_, at) => [at, at]));
    for (const text of [JSON.stringify(many), '['.repeat(100_000)]) {
      expect(await read(createJsonReader, Buffer.from(text))).toEqual([undefined]);
    }
  });

  test('ends where a compressed body is damaged', async () => {
    const compressed = gzipSync(JSON.stringify({ usage: { prompt_tokens: 7 } }));
    const whole = await read(createJsonReader, compressed, { encoding: ' GZIP' });
    expect(whole).toEqual([{ usage: { prompt_tokens: 7 } }]);
    compressed.fill(0xff, 12);
    const cuts = [11, 14, 15];
    expect(await read(createJsonReader, compressed, { encoding: 'gzip', cuts })).toEqual([broken]);
  });
});

describe('facts', () => {
  const factsOf = (events: readonly unknown[]) => {
    const facts = noFacts();
    const parts = events.filter((event) => takeEvent(facts, event)).length;
    return { facts, parts, counts: countsOf(facts) };
  };
  const ofStream = async (texts: readonly string[]) =>
    factsOf(await read(createStreamReader, Buffer.from(texts.join(''))));

  test.each([
    ['llamaServer', 3, 'stop', { inputTokens: 31, cachedTokens: 10, outputTokens: 4 }],
    ['ollama', 2, 'stop', { inputTokens: 31, cachedTokens: 0, outputTokens: 4 }],
    ['vllm', 2, 'length', { inputTokens: 31, cachedTokens: 16, outputTokens: 4 }],
  ] as const)('of a stream of %s', async (name, parts, finish, counts) => {
    const found = await ofStream(streams[name]);
    expect(found).toMatchObject({ parts, counts, facts: { model: 'm', finish, isDone: true } });
  });

  test('no count where the server sends none', async () => {
    expect((await ofStream(streams.ollama.slice(0, 3))).counts).toBeUndefined();
    const half = { usage: { prompt_tokens: 3 }, timings: { prompt_n: 3, predicted_n: 2 } };
    expect(factsOf([half]).counts).toMatchObject({ inputTokens: 3, outputTokens: 2 });
    expect(factsOf([{ timings: half.timings }]).counts).toBeUndefined();
  });

  test('of the Responses API and of the Messages API', () => {
    const responses = factsOf([
      { type: 'response.created', response: { id: 'resp_1', model: 'm', status: 'in_progress' } },
      { type: 'response.output_text.delta', delta: 'Hello' },
      {
        type: 'response.incomplete',
        response: {
          status: 'incomplete',
          incomplete_details: { reason: 'max_output_tokens' },
          error: null,
          usage: {
            input_tokens: 9,
            input_tokens_details: { cached_tokens: 3 },
            output_tokens: 1,
          },
        },
      },
    ]);
    expect(responses).toMatchObject({
      parts: 1,
      facts: { id: 'resp_1', finish: 'length', isDone: true },
      counts: { inputTokens: 9, cachedTokens: 3, outputTokens: 1 },
    });
    expect(responses.facts.error).toBeUndefined();
    const messages = factsOf([
      {
        type: 'message_start',
        message: {
          id: 'msg_1',
          model: 'm',
          stop_reason: null,
          usage: { input_tokens: 6, cache_read_input_tokens: 3, output_tokens: 1 },
        },
      },
      { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello' } },
      { type: 'message_delta', delta: { stop_reason: 'tool_use' }, usage: { output_tokens: 5 } },
      { type: 'message_stop' },
    ]);
    expect(messages).toMatchObject({
      parts: 1,
      facts: { id: 'msg_1', finish: 'tool_calls', isDone: true },
      counts: { inputTokens: 9, cachedTokens: 3, outputTokens: 5 },
    });
  });

  test('that a completed response ends with a call', () => {
    const output = [{ type: 'reasoning' }, { type: 'function_call', name: 'weather' }];
    const response = { status: 'completed', output };
    expect(factsOf([{ type: 'response.completed', response }]).facts.finish).toBe('tool_calls');
    expect(factsOf([{ ...response, output: [{ type: 'message' }] }]).facts.finish).toBe('stop');
  });

  test('with the tokens that the Messages API writes to its cache', () => {
    const usage = { input_tokens: 6, cache_read_input_tokens: 3, output_tokens: 1 };
    const { counts } = factsOf([{ usage: { ...usage, cache_creation_input_tokens: 4 } }]);
    expect(counts).toEqual({ inputTokens: 13, cachedTokens: 3, outputTokens: 1 });
    const unknown = factsOf([{ usage: { ...usage, cache_creation_input_tokens: null } }]);
    expect(unknown.counts).toMatchObject({ inputTokens: 9 });
  });
});

test.each([
  ['the request exceeds the available context size (812 tokens), try increasing it', 0],
  ["This model's maximum context length is 2048 tokens. However, you requested 'SECRET'", 75],
  ["parse error at line 1, column 5: invalid literal; last read: '\"SECRET'", 60],
  ["[{'type': 'missing', 'loc': ('body', 'messages'), 'input': {'prompt': 'SECRET'}}]", 1],
  ['1 validation error, input_value=SECRET', 20],
  ['no template for\nSECRET', 15],
  ['x'.repeat(500), 200],
])('the message %j is recorded up to its first quote', (message, length) => {
  const kept = withoutQuotes(message);
  expect(kept).not.toContain('SECRET');
  expect(kept).toBe(message.slice(0, length === 0 ? message.length : length).trim());
});
