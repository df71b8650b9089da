/** Examples for POST /v1/messages in the OpenAPI document. A test sends each request to the real service. */
import type { z } from 'zod';
import type { MessageObject } from './answers.ts';

const weather = {
  name: 'get_weather',
  description: 'The current weather of a city.',
  input_schema: {
    type: 'object',
    properties: { city: { type: 'string', maxLength: 40 } },
    required: ['city'],
    additionalProperties: false,
  },
};

export function messageRequestExamples(model: string): Record<string, object> {
  const hello = [{ role: 'user', content: 'Hello' }];
  return {
    short: { model, max_tokens: 64, messages: hello },
    stream: {
      model,
      max_tokens: 64,
      system: 'Answer in one sentence.',
      messages: hello,
      stop_sequences: ['\n\n'],
      stream: true,
    },
    tool_answer: {
      model,
      max_tokens: 64,
      messages: [
        { role: 'user', content: 'What is the weather in Paris?' },
        {
          role: 'assistant',
          content: [
            { type: 'tool_use', id: 'call_1', name: 'get_weather', input: { city: 'Paris' } },
          ],
        },
        {
          role: 'user',
          content: [{ type: 'tool_result', tool_use_id: 'call_1', content: '18 degrees' }],
        },
      ],
      tools: [weather],
      tool_choice: { type: 'none' },
    },
  };
}

export function messageExample(model: string): z.infer<typeof MessageObject> {
  return {
    id: 'msg_1',
    type: 'message',
    role: 'assistant',
    model,
    content: [{ type: 'text', text: 'Hello!', citations: null }],
    container: null,
    stop_details: null,
    stop_reason: 'end_turn',
    stop_sequence: null,
    usage: {
      input_tokens: 30,
      cache_creation_input_tokens: 0,
      cache_read_input_tokens: 0,
      output_tokens: 3,
    },
  };
}

export function messageStreamExample(model: string): string {
  const { content, usage, ...message } = messageExample(model);
  const events = [
    { type: 'message_start', message: { ...message, content: [], stop_reason: null, usage } },
    { type: 'content_block_start', index: 0, content_block: { ...content[0], text: '' } },
    { type: 'content_block_delta', index: 0, delta: { type: 'text_delta', text: 'Hello!' } },
    { type: 'content_block_stop', index: 0 },
    { type: 'message_delta', delta: { stop_reason: 'end_turn', stop_sequence: null }, usage },
    { type: 'message_stop' },
  ];
  return events.map((event) => `event: ${event.type}\ndata: ${JSON.stringify(event)}\n\n`).join('');
}
