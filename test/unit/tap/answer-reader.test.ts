/** What the tap reads of an answer: events and their outlines, wherever the bytes are cut. */
import { createParser } from 'eventsource-parser';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { countsOf, noFacts, takeEvent } from '../../../src/tap/answer-facts.ts';
import {
  createJsonReader,
  createStreamReader,
  done,
  broken,
} from '../../../src/tap/answer-reader.ts';
import { withoutQuotes } from '../../../src/tap/backend-error.ts';
import { streams } from '../../support/tap/stand-in.ts';

type Create = typeof createStreamReader;

/** Reads `bytes` in pieces that end at `cuts`. */
function read(create: Create, bytes: Uint8Array, cuts: readonly number[] = []): unknown[] {
  const events: unknown[] = [];
  const reader = create((event) => events.push(event));
  const ends = [...cuts, bytes.length].toSorted((a, b) => a - b);
  let from = 0;
  for (const to of ends) {
    reader.push(bytes.subarray(from, to));
    from = to;
  }
  reader.end();
  return events;
}

const cutsOf = (bytes: Uint8Array) => fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 });

describe('events', () => {
  const text = `\uFEFF: a comment\r\n\r\n${Object.values(streams).flat().join('')}event: x\rid: 1\r\rdata:{"a":\r\ndata: "é\\u00e9 \\"}\\n"}\r\n\r\ndata\n\nretry: 5\n\n`;
  const bytes = Buffer.from(text);
  const whole = read(createStreamReader, bytes);

  test('are those of the parser that clients use', () => {
    const expected: unknown[] = [];
    const parser = createParser({
      onEvent: ({ data }) =>
        expected.push(data === '[DONE]' ? done : data === '' ? broken : JSON.parse(data)),
    });
    parser.feed(text);
    expect(whole).toEqual(expected);
  });

  test('are the same wherever the bytes are cut', () => {
    fc.assert(
      fc.property(cutsOf(bytes), (cuts) => {
        expect(read(createStreamReader, bytes, cuts)).toEqual(whole);
      }),
    );
  });

  test('that are no JSON are broken, and the next one is read', () => {
    const text =
      'data: {"a":[1,\n\ndata: "unended\n\ndata: {"a":"\\u12"}\n\ndata: {"b":1}\n\ndata: {"c"';
    const events = read(createStreamReader, Buffer.from(text));
    expect(events).toEqual([broken, broken, broken, { b: 1 }, broken]);
  });
});

describe('the outline of a JSON body', () => {
  /** What the outline keeps of a value. */
  function outline(value: unknown): unknown {
    if (typeof value === 'string') return value.slice(0, 256);
    if (Array.isArray(value)) return value.slice(0, 4).map(outline);
    if (typeof value !== 'object' || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([name, each]) => [name, outline(each)]));
  }

  test('has every member, the first elements of arrays, and the start of strings', () => {
    const json = fc.jsonValue({ maxDepth: 5 });
    fc.assert(
      fc.property(json, fc.array(fc.nat({ max: 200 }), { maxLength: 5 }), (value, cuts) => {
        const bytes = Buffer.from(JSON.stringify(value));
        const within = cuts.filter((cut) => cut < bytes.length);
        expect(read(createJsonReader, bytes, within)).toEqual([outline(JSON.parse(String(bytes)))]);
      }),
    );
  });

  test('of a long answer is short, and has what follows it', () => {
    const content = '\\ "é\u2028'.repeat(10_000);
    const embedding = Array.from({ length: 1000 }, (_, at) => at / 7);
    const data = Array.from({ length: 50 }, () => ({ embedding }));
    const body = { choices: [{ message: { content } }], data, usage: { prompt_tokens: 7 } };
    const [event] = read(createJsonReader, Buffer.from(JSON.stringify(body)));
    expect(event).toMatchObject({ usage: { prompt_tokens: 7 } });
    expect(JSON.stringify(event).length).toBeLessThan(2000);
  });
});

describe('facts', () => {
  const factsOf = (events: readonly unknown[]) => {
    const facts = noFacts();
    const parts = events.filter((event) => takeEvent(facts, event)).length;
    return { facts, parts, counts: countsOf(facts) };
  };
  const ofStream = (texts: readonly string[]) =>
    factsOf(read(createStreamReader, Buffer.from(texts.join(''))));

  test.each([
    ['llamaServer', 3, 'stop', { inputTokens: 31, cachedTokens: 10, outputTokens: 4 }],
    ['ollama', 2, 'stop', { inputTokens: 31, cachedTokens: 0, outputTokens: 4 }],
    ['vllm', 2, 'length', { inputTokens: 31, cachedTokens: 16, outputTokens: 4 }],
  ] as const)('of a stream of %s', (name, parts, finish, counts) => {
    const found = ofStream(streams[name]);
    expect(found).toMatchObject({ parts, counts, facts: { model: 'm', finish, isDone: true } });
  });

  test('no count where the server sends none', () => {
    expect(ofStream(streams.ollama.slice(0, 3)).counts).toBeUndefined();
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
