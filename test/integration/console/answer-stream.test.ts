/** The stream of an answer on the console's page, from servers of other kinds. */
import { afterEach, expect, test, vi } from 'vitest';
import { parseWait } from '../../../src/console/page/chat/wait.ts';

afterEach(() => vi.unstubAllGlobals());

test.each(['queued {x}', 'queued {"position":0}', 'prefill {}', 'keep-alive'])(
  'the comment %s tells no wait',
  (comment) => expect(parseWait(comment)).toBeUndefined(),
);

test('facts beside the last text are read', async () => {
  const usage = { prompt_tokens: 3, completion_tokens: 1 };
  const chunk = { choices: [{ delta: { content: 'Hi' }, finish_reason: 'length' }], usage };
  const body = `data: ${JSON.stringify(chunk)}\n\ndata: [DONE]\n\n`;
  vi.stubGlobal('fetch', () => Promise.resolve(new Response(body)));
  vi.stubGlobal('addEventListener', () => undefined);
  vi.stubGlobal('document', { baseURI: 'http://localhost/' });
  const { streamAnswer } = await import('../../../src/console/page/chat/answer-stream.ts');
  const texts: string[] = [];
  const ending = await streamAnswer({ messages: [] } as never, {
    conversationId: 'c',
    signal: new AbortController().signal,
    onTrace: () => undefined,
    onWait: () => undefined,
    onText: (text) => texts.push(text),
  });
  expect(texts).toEqual(['Hi']);
  expect(ending).toMatchObject({
    state: 'done',
    facts: { inputTokens: 3, outputTokens: 1, finishReason: 'length' },
  });
});
