/** POST /tokenize, compatible with llama-server: the tokens of a text, or of the prompt made from a conversation. */
import { z } from 'zod';
import type { Engine, Prompt } from '../../engine/engine.ts';
import { refuseField, type ReadBody } from '../body.ts';
import { answersJson, type Endpoint } from '../endpoint.ts';
import { eitherMessagesOr, Messages, toMessages } from '../openai/messages.ts';
import { limitRequest, type Limits } from '../run/request-limits.ts';

const TokenizeRequest = z
  .object({
    content: z.string().min(1).nullish(),
    messages: Messages.nullish(),
    with_pieces: z.boolean().nullish(),
  })
  .meta(eitherMessagesOr('content'));

const TokenizeAnswer = z.object({
  tokens: z.union([z.array(z.int()), z.array(z.object({ id: z.int(), piece: z.string() }))]),
});

interface TokenizeDeps {
  engine: Pick<Engine, 'tokenize'>;
  limits: Limits;
  readBody: ReadBody;
}

export function createTokenize({ engine, limits, readBody }: TokenizeDeps): Endpoint {
  return {
    method: 'POST',
    path: '/tokenize',
    summary: 'The tokens of a text or of a conversation',
    access: 'key',
    request: {
      name: 'TokenizeRequest',
      schema: TokenizeRequest,
      examples: {
        text: { content: 'Hello world' },
        pieces: { content: 'Hello world', with_pieces: true },
        conversation: { messages: [{ role: 'user', content: 'Hello' }] },
      },
    },
    answers: answersJson('TokenizeAnswer', TokenizeAnswer, { tokens: [9707, 1879] }),
    errors: [
      'bad_request',
      'unauthorized',
      'too_large',
      'queue_full',
      'not_ready',
      'engine_exit',
      'deadline',
      'shutdown',
    ],
    async handle(c) {
      const body = await readBody(c, TokenizeRequest);
      const prompt = toPrompt(body);
      using request = limitRequest(c, limits);
      const { tokens, pieces } = await engine.tokenize(prompt, { signal: request.signal });
      if (body.with_pieces !== true) return c.json({ tokens });
      return c.json({ tokens: tokens.map((id, index) => ({ id, piece: pieces[index] })) });
    },
  };
}

function toPrompt({ content, messages }: z.infer<typeof TokenizeRequest>): Prompt {
  const hasContent = typeof content === 'string';
  if (hasContent && !messages) return { kind: 'text', text: content };
  if (messages && !hasContent) return { kind: 'chat', messages: toMessages(messages) };
  const got = hasContent ? 'both' : 'neither';
  throw refuseField('content', `expected either "content" or "messages", got ${got}`);
}
