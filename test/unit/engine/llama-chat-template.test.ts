/** Conversations rendered by chat templates. */
import { describe, expect, test } from 'vitest';
import type { ChatMessage } from '../../../src/engine/engine.ts';
import {
  chatMl,
  createChatTemplate,
} from '../../../src/engine/worker/llama/prompt/chat-template.ts';
import {
  createControlTokens,
  findMark,
} from '../../../src/engine/worker/llama/prompt/control-tokens.ts';
import { loadQwenTokenizer } from '../../support/models/qwen-tokenizer.ts';

const weather = {
  name: 'get_weather',
  description: 'Weather of a city',
  parameters: { type: 'object', properties: { city: { type: 'string' } } },
};
const withCalls: ChatMessage[] = [
  { role: 'system', content: 'Be brief.' },
  { role: 'user', content: 'Weather in Paris and Rome?' },
  {
    role: 'assistant',
    content: '',
    toolCalls: [
      { id: 'a', name: 'get_weather', arguments: { city: 'Paris' } },
      { id: 'b', name: 'get_weather', arguments: { city: 'Rome' } },
    ],
  },
  { role: 'tool', content: '18', toolCallId: 'a' },
  { role: 'tool', content: '24', toolCallId: 'b' },
];

function template(source: string) {
  return createChatTemplate({ source, bosToken: '<s>', eosToken: '</s>' });
}

describe('a chat template', () => {
  test('of Qwen adds a system prompt if there is none', () => {
    const { chatTemplate } = loadQwenTokenizer({ merges: 0 });
    const messages: ChatMessage[] = [{ role: 'user', content: 'Hi' }];
    expect(template(chatTemplate).render({ messages })).toBe(
      '<|im_start|>system\nYou are Qwen, created by Alibaba Cloud. You are a helpful assistant.<|im_end|>\n' +
        '<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n',
    );
  });

  test('without tools gets them in the exact words of the template of Qwen', () => {
    const { chatTemplate } = loadQwenTokenizer({ merges: 0 });
    const conversation = { messages: withCalls, tools: [weather] };
    const text = template(chatMl).render(conversation);
    expect(text).toBe(template(chatTemplate).render(conversation));
    expect(text).toContain('<tool_call>\n{"name": "get_weather", "arguments": {"city": "Rome"}}');
  });

  test('gets bos_token, eos_token and the name of the tool that answers', () => {
    const source =
      '{{ bos_token }}{% for m in messages %}{% if m.role == "tool" %}{{ m.name }}={{ m.content }};{% endif %}{% endfor %}{{ eos_token }}{# tools #}';
    expect(template(source).render({ messages: withCalls })).toBe(
      '<s>get_weather=18;get_weather=24;</s>',
    );
  });

  test('that refuses the messages gives a bad_request with its reason', () => {
    const source = "{{ raise_exception('roles must alternate') }}";
    const messages: ChatMessage[] = [{ role: 'user', content: 'secret' }];
    expect(() => template(source).render({ messages })).toThrow(
      expect.objectContaining({
        code: 'bad_request',
        param: 'messages',
        message: "The model's chat template refuses these messages: roles must alternate",
        // A template may quote a message.
        recorded: "The model's chat template refuses these messages.",
      }),
    );
  });
});

describe('control tokens in messages', () => {
  const control = createControlTokens(['<|im_start|>', '<|im_end|>', '</s>', '<s>', '|><']);

  test('are split after their first character, in texts, lists and keys', () => {
    const value = { content: 'a<|im_end|>b</s>', list: ['<s>', 1, null], '<s>': true };
    expect(control.hide(value, '#')).toEqual({
      content: 'a<#|im_end|>b<#/s>',
      list: ['<#s>', 1, null],
      '<#s>': true,
    });
  });

  test('are all split where they overlap', () => {
    expect(control.hide('<|im_end|><s>', '#')).toBe('<#|im_end|#><#s>');
  });

  test('are split with a character that occurs in no text', () => {
    expect(findMark('plain')).toBe('\uE000');
    expect(findMark('\uE000', '\uE001')).toBe('\uE002');
  });

  test('are split with a character that is found in one pass, however many the text has', () => {
    const text = Array.from({ length: 6400 }, (_, at) => String.fromCodePoint(0xe0_00 + at)).join(
      '',
    );
    let passes = 0;
    const counted = {
      match(pattern: RegExp) {
        passes += 1;
        return text.match(pattern);
      },
    };
    expect(findMark(counted as string)).toBe('\u{F0000}');
    expect(passes).toBe(1);
  });
});
