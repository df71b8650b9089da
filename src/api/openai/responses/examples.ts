/** Examples for POST /v1/responses in the OpenAPI document. A test sends each request to the real service. */
import type { z } from 'zod';
import type { ResponseObject } from './answers.ts';

const weather = {
  type: 'function',
  name: 'get_weather',
  description: 'The current weather of a city.',
  parameters: {
    type: 'object',
    properties: { city: { type: 'string', maxLength: 40 } },
    required: ['city'],
    additionalProperties: false,
  },
};

export function responseRequestExamples(model: string): Record<string, object> {
  return {
    short: { model, input: 'Hello' },
    stream: {
      model,
      instructions: 'Answer in one sentence.',
      input: [
        { type: 'message', role: 'user', content: [{ type: 'input_text', text: 'What is GGUF?' }] },
      ],
      stream: true,
      max_output_tokens: 64,
    },
    tool_answer: {
      model,
      input: [
        { role: 'user', content: 'What is the weather in Paris?' },
        {
          type: 'function_call',
          call_id: 'call_1',
          name: 'get_weather',
          arguments: '{"city":"Paris"}',
        },
        { type: 'function_call_output', call_id: 'call_1', output: '18 degrees, light rain' },
      ],
      tools: [weather],
      tool_choice: 'none',
      store: false,
    },
    json_schema: {
      model,
      input: 'Describe Paris.',
      text: {
        format: {
          type: 'json_schema',
          name: 'city',
          schema: { type: 'object', properties: { capital: { type: 'boolean' } } },
        },
      },
      max_output_tokens: 64,
    },
  };
}

export function responseExample(model: string): z.infer<typeof ResponseObject> {
  return {
    id: 'resp_1',
    object: 'response',
    created_at: 1_790_000_000,
    completed_at: 1_790_000_001,
    status: 'completed',
    background: false,
    error: null,
    incomplete_details: null,
    instructions: null,
    max_output_tokens: null,
    max_tool_calls: null,
    metadata: {},
    model,
    output: [
      {
        id: 'msg_1',
        type: 'message',
        status: 'completed',
        role: 'assistant',
        content: [{ type: 'output_text', text: 'Hello!', annotations: [], logprobs: [] }],
      },
    ],
    parallel_tool_calls: true,
    previous_response_id: null,
    reasoning: { effort: null, summary: null },
    service_tier: 'default',
    store: false,
    temperature: 0.7,
    text: { format: { type: 'text' } },
    tool_choice: 'auto',
    tools: [],
    top_logprobs: 0,
    top_p: 0.8,
    truncation: 'disabled',
    usage: {
      input_tokens: 30,
      input_tokens_details: { cached_tokens: 0 },
      output_tokens: 3,
      output_tokens_details: { reasoning_tokens: 0 },
      total_tokens: 33,
    },
    timings: {},
  };
}

export function responseStreamExample(model: string): string {
  const response = responseExample(model);
  const begun = { ...response, status: 'in_progress', output: [], usage: null };
  const place = { item_id: 'msg_1', output_index: 0, content_index: 0 };
  const events = [
    { type: 'response.created', response: begun },
    { type: 'response.output_text.delta', ...place, delta: 'Hello!', logprobs: [] },
    { type: 'response.completed', response },
  ];
  return events
    .map((event, sequence_number) => Object.assign(event, { sequence_number }))
    .map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`)
    .join('');
}
