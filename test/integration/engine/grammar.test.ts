/** Answer formats, with a model of random weights at temperature 1, which follows a format only because of the grammar. */
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { getLlama } from 'node-llama-cpp';
import { z } from 'zod';
import type { AnswerFormat, JsonSchema, Tool } from '../../../src/engine/engine.ts';
import { createGrammars } from '../../../src/engine/worker/llama/grammar/grammar.ts';
import type { DisposableModel } from '../../../src/engine/worker/llama/model.ts';
import {
  chat,
  demoFile,
  finish,
  generate,
  greedy,
  loadNoise,
  tokenOf,
  type Answer,
} from '../../support/engine/llama-model.ts';

let model: DisposableModel;
beforeAll(async () => {
  model = await loadNoise();
});
afterAll(() => model.dispose());

const seeds = [1, 2, 3, 4, 5, 6];

function answer(format: AnswerFormat, seed: number, maxTokens = 1500): Promise<Answer> {
  const sampling = { ...greedy, temperature: 1, topK: 40, seed, maxTokens };
  return generate(model, { prompt: chat('Answer.'), sampling, format });
}

const text = { type: 'string', maxLength: 8 } as const;
const short = (items: JsonSchema) => ({ type: 'array', items, maxItems: 2 });
const schemas: Record<string, JsonSchema> = {
  'a person': {
    type: 'object',
    properties: {
      name: text,
      age: { type: 'integer' },
      tags: short({ enum: ['a', 'b "quoted" \\ \n'] }),
      born: { type: 'string', format: 'date' },
    },
    required: ['name'],
    additionalProperties: false,
  },
  alternatives: { anyOf: [{ type: 'null' }, text, short({ type: 'boolean' })] },
  'a tuple': { type: 'array', prefixItems: [{ const: 1 }, { type: 'number' }], items: false },
  'a tree': {
    $defs: {
      node: {
        type: 'object',
        properties: {
          value: text,
          children: { type: 'array', maxItems: 1, items: { $ref: '#/$defs/node' } },
        },
        required: ['value', 'children'],
      },
    },
    $ref: '#/$defs/node',
  },
  'a list of links': {
    type: 'object',
    properties: { value: { type: 'integer' }, next: { $ref: '#' } },
    required: ['value'],
  },
};

describe('a JSON schema', () => {
  test.each(Object.entries(schemas))(
    'of %s is enforced, and nothing follows the JSON',
    async (_, schema) => {
      const check = z.fromJSONSchema(schema);
      for (const seed of seeds) {
        const { text: json, ended } = await answer(
          { kind: 'json_schema', schema, strict: true },
          seed,
        );
        expect(ended).toBe(true);
        expect(json.trim()).toBe(json);
        expect(check.safeParse(JSON.parse(json)).error).toBeUndefined();
      }
    },
  );

  test('of lists and objects as enum values gives one of them', async () => {
    const schema = { enum: [{ a: [1, null] }, ['x']] };
    for (const seed of seeds) {
      const { text: json } = await answer({ kind: 'json_schema', schema, strict: true }, seed);
      expect(schema.enum).toContainEqual(JSON.parse(json));
    }
  });

  test('of numbers gives no infinite number', async () => {
    const schema = { type: 'array', items: { type: 'number' }, minItems: 30, maxItems: 30 };
    const { text: json } = await answer({ kind: 'json_schema', schema, strict: true }, 1);
    expect(JSON.parse(json)).toSatisfy((numbers: number[]) => numbers.every(Number.isFinite));
  });

  test('of dates gives valid dates', async () => {
    const items = { type: 'string', format: 'date' };
    const schema = { type: 'array', items, minItems: 100, maxItems: 100 };
    const { text: json } = await answer({ kind: 'json_schema', schema, strict: true }, 2);
    expect(z.array(z.iso.date()).safeParse(JSON.parse(json)).error).toBeUndefined();
  });

  test('of integers gives no fractions and no exponents', async () => {
    const schema = { type: 'array', items: { type: 'integer' }, minItems: 20, maxItems: 20 };
    const { text: json } = await answer({ kind: 'json_schema', schema, strict: true }, 1);
    expect(JSON.parse(json)).toSatisfy((all: number[]) => all.every(Number.isSafeInteger));
    expect(json).not.toMatch(/[eE]/);
  });

  test('without finite JSON is refused', async () => {
    const schema = {
      $ref: '#/$defs/a',
      $defs: { a: { $ref: '#/$defs/b' }, b: { $ref: '#/$defs/a' } },
    };
    await expect(answer({ kind: 'json_schema', schema, strict: false }, 1)).rejects.toMatchObject({
      code: 'bad_request',
      param: 'response_format',
    });
  });

  test('is compiled once, and every answer begins at its start', async () => {
    const format: AnswerFormat = { kind: 'json_schema', schema: { const: 'same' }, strict: true };
    for (const seed of seeds) expect((await answer(format, seed)).text).toBe('"same"');
  });
});

test('json_object gives an object', async () => {
  for (const seed of seeds) {
    const { text: json, ended } = await answer({ kind: 'json_object' }, seed, 400);
    expect(json).toMatch(/^\{/);
    const value: unknown = ended ? JSON.parse(json) : {};
    expect(value).toBeTypeOf('object');
  }
});

const tools: Tool[] = [
  {
    name: 'get_weather',
    parameters: { type: 'object', properties: { city: text }, required: ['city'] },
  },
  {
    name: 'add',
    parameters: {
      type: 'object',
      properties: { a: { type: 'integer' }, b: { type: 'integer' } },
      required: ['a', 'b'],
    },
  },
];
const call = String.raw`<tool_call>\n\{"name": "(?:get_weather|add)", "arguments": (\{[^]*?\})\}\n</tool_call>`;

describe('a tool call', () => {
  test('is the whole answer if required, and a single one if not parallel', async () => {
    for (const seed of seeds) {
      const format: AnswerFormat = {
        kind: 'tool_calls',
        tools,
        choice: 'required',
        parallel: false,
      };
      const { text: calls, ended } = await answer(format, seed);
      expect(ended).toBe(true);
      const [, values] = new RegExp(`^${call}$`).exec(calls) ?? [];
      expect(JSON.parse(values ?? 'no call')).toSatisfy((value: object) =>
        ['city', 'a,b'].includes(Object.keys(value).join()),
      );
    }
  });

  test('has one slice of work for the parameters of each tool', () => {
    const many = Array.from({ length: 30 }, (_, at) => ({ ...tools[0]!, name: `f${at}` }));
    const rest = { choice: 'required', parallel: true } as const;
    const format: AnswerFormat = { kind: 'tool_calls', tools: many, ...rest };
    const slices = model.prepare({ prompt: chat('Go.'), sampling: greedy, format });
    let count = 0;
    while (slices.next().done !== true) count += 1;
    expect(count).toBeGreaterThan(many.length);
  });

  test('is followed by others if parallel', async () => {
    const format: AnswerFormat = { kind: 'tool_calls', tools, choice: 'required', parallel: true };
    // The bias makes a newline, which separates calls, more likely than the end, and then another call.
    const logitBias = ['\n', '<tool_call>'].map((piece) => [tokenOf(model, piece), 6] as const);
    const sampling = { ...greedy, temperature: 1, topK: 40, seed: 1, maxTokens: 300, logitBias };
    const { text: calls } = await generate(model, { prompt: chat('Go.'), sampling, format });
    expect(calls).toMatch(new RegExp(`^(?:${call}\\n){2}`));
  });

  test('is enforced from its opening on if optional, and the text before is free', async () => {
    // The bias makes the opening likely, so that it occurs after some noise.
    const opening = tokenOf(model, '<tool_call>');
    const format: AnswerFormat = { kind: 'tool_calls', tools, choice: 'auto', parallel: false };
    const sampling = {
      ...greedy,
      temperature: 1,
      topK: 40,
      maxTokens: 1500,
      logitBias: [[opening, 4]] as const,
    };
    const opened: Answer[] = [];
    for (const seed of seeds) {
      const one = await generate(model, {
        prompt: chat('Go.'),
        sampling: { ...sampling, seed },
        format,
      });
      if (one.text.includes('<tool_call>')) opened.push(one);
    }
    expect(opened.length).toBeGreaterThan(2);
    for (const { text: all, ended } of opened) {
      expect(ended).toBe(true);
      expect(all.split('<tool_call>')).toHaveLength(2);
      expect(all).toMatch(new RegExp(`${call}$`));
    }
  });

  test('without its tag is enforced in every answer of a lenient format', async () => {
    const llama = await getLlama({ gpu: false, build: 'never' });
    const vocabulary = await llama.loadModel({ modelPath: demoFile, vocabOnly: true });
    const free = { choice: 'auto', parallel: false, lenient: true } as const;
    const format: AnswerFormat = { kind: 'tool_calls', tools, ...free };
    const createGuard = finish(createGrammars(llama, vocabulary, []).prepare(format));
    const header = vocabulary.tokenize('{"name": "add", "arguments');
    for (const guard of [createGuard(), createGuard(), createGuard()]) {
      for (const token of header.slice(0, -1)) guard.accept(token);
      expect(guard.state()).toBeUndefined();
      guard.accept(header.at(-1)!);
      expect(guard.state()).toBeDefined();
    }
    await vocabulary.dispose();
  });

  test('or JSON is the answer where both are asked for', async () => {
    const schema = { type: 'object', properties: { n: { enum: [1] } }, required: ['n'] };
    const otherwise = { kind: 'json_schema', schema, strict: true } as const;
    const format = {
      kind: 'tool_calls',
      tools,
      choice: 'auto',
      parallel: false,
      otherwise,
    } as const;
    for (const [piece, expected] of [
      ['<tool_call>', new RegExp(`^${call}$`)],
      ['{', /^\{\s*"n":\s*1\s*\}$/],
    ] as const) {
      const logitBias = [[tokenOf(model, piece), 20]] as const;
      const sampling = { ...greedy, temperature: 1, topK: 40, seed: 1, maxTokens: 600, logitBias };
      const { text: all } = await generate(model, { prompt: chat('Go.'), sampling, format });
      expect(all).toMatch(expected);
    }
  });

  test('is refused without tools', async () => {
    const none = { tools: [], choice: 'required', parallel: true } as const;
    await expect(answer({ kind: 'tool_calls', ...none }, 1)).rejects.toMatchObject({
      code: 'bad_request',
      param: 'tools',
    });
  });

  test('is refused for an invalid schema, with the name of the tool', async () => {
    const broken = [{ name: 'broken', parameters: { type: 'text' } }];
    const format: AnswerFormat = {
      kind: 'tool_calls',
      tools: broken,
      choice: 'auto',
      parallel: true,
    };
    await expect(answer(format, 1)).rejects.toMatchObject({
      code: 'bad_request',
      param: 'tools',
      message: expect.stringContaining('parameters of broken'),
    });
  });
});
