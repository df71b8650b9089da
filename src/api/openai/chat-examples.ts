/** Examples for POST /v1/chat/completions in the OpenAPI document. A test sends each request to the real service. */

const messages = [{ role: 'user', content: 'What is the weather in Paris?' }];

const weather = {
  type: 'function',
  function: {
    name: 'get_weather',
    description: 'The current weather of a city.',
    parameters: {
      type: 'object',
      properties: { city: { type: 'string', maxLength: 40 } },
      required: ['city'],
      additionalProperties: false,
    },
  },
};

const city = {
  type: 'object',
  properties: { capital: { type: 'boolean' }, rank: { enum: [1, 2, 3] } },
  required: ['capital', 'rank'],
  additionalProperties: false,
};

export function chatRequestExamples(model: string): Record<string, object> {
  return {
    short: { model, messages: [{ role: 'user', content: 'Hello' }] },
    stream: {
      model,
      messages: [
        { role: 'system', content: 'Answer in one sentence.' },
        { role: 'user', content: [{ type: 'text', text: 'What is llama.cpp?' }] },
      ],
      stream: true,
      stream_options: { include_usage: true },
      max_completion_tokens: 64,
    },
    sampling: {
      model,
      messages,
      temperature: 0,
      seed: 7,
      stop: ['\n\n'],
      max_tokens: 16,
      presence_penalty: 0.5,
      frequency_penalty: 0.5,
      logit_bias: { '100': -100 },
    },
    logprobs: { model, messages, max_tokens: 4, logprobs: true, top_logprobs: 2 },
    tools: { model, messages, tools: [weather], max_tokens: 128 },
    tool_answer: {
      model,
      messages: [
        ...messages,
        {
          role: 'assistant',
          content: null,
          tool_calls: [
            {
              id: 'call_1',
              type: 'function',
              function: { name: 'get_weather', arguments: '{"city":"Paris"}' },
            },
          ],
        },
        { role: 'tool', tool_call_id: 'call_1', content: '18 degrees, light rain' },
      ],
      tools: [weather],
      tool_choice: 'none',
      max_tokens: 64,
    },
    json_schema: {
      model,
      messages: [{ role: 'user', content: 'Describe Paris.' }],
      response_format: {
        type: 'json_schema',
        json_schema: { name: 'city', schema: city, strict: true },
      },
      max_tokens: 128,
    },
  };
}

const usage = {
  prompt_tokens: 30,
  completion_tokens: 10,
  total_tokens: 40,
  prompt_tokens_details: { cached_tokens: 0 },
};

const timings = {
  queue_seconds: 0.0002,
  tokenize_seconds: 0.0004,
  prefill_seconds: 0.21,
  first_token_seconds: 0.23,
  decode_seconds: 0.19,
  duration_seconds: 0.42,
  tokens_per_second: 47.4,
};

const shape = (model: string) => ({ id: 'chatcmpl-1', created: 1_790_000_000, model });

export function chatCompletionExample(model: string): object {
  return {
    ...shape(model),
    object: 'chat.completion',
    choices: [
      {
        index: 0,
        message: { role: 'assistant', content: 'Hello! How can I help you?', refusal: null },
        logprobs: null,
        finish_reason: 'stop',
      },
    ],
    usage,
    timings,
  };
}

export function chatStreamExample(model: string): string {
  const chunk = (delta: object, finishReason: string | null, more: object = {}): object => ({
    ...shape(model),
    object: 'chat.completion.chunk',
    choices: [{ index: 0, delta, logprobs: null, finish_reason: finishReason }],
    ...more,
  });
  const frames = [
    chunk({ role: 'assistant', content: '' }, null),
    chunk({ content: 'Hello!' }, null),
    chunk({}, 'stop', { timings }),
  ];
  return `${frames.map((frame) => `data: ${JSON.stringify(frame)}\n\n`).join('')}data: [DONE]\n\n`;
}
