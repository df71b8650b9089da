/** POST /tokenize in llama-server's shape: a text, or the prompt that a conversation becomes, as tokens. */
import { z } from 'zod';
import type { Prompt } from '../../engine/engine.ts';
import { refuseField } from '../body.ts';
import type { ApiDeps, Endpoint } from '../endpoint.ts';
import { Messages, toMessages } from '../openai/messages.ts';
import { limitRequest } from '../run/request-limits.ts';

const TokenizeRequest = z.object({
  content: z.string().nullish(),
  messages: Messages.nullish(),
  with_pieces: z.boolean().nullish(),
});

const TokenizeAnswer = z.object({
  tokens: z.union([z.array(z.int()), z.array(z.object({ id: z.int(), piece: z.string() }))]),
});

export function createTokenize(deps: ApiDeps): Endpoint {
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
    answers: {
      'application/json': {
        name: 'TokenizeAnswer',
        schema: TokenizeAnswer,
        example: { tokens: [9707, 1879] },
      },
    },
    errors: ['bad_request', 'unauthorized', 'too_large', 'not_ready', 'engine_exit', 'shutdown'],
    async handle(c) {
      const body = await deps.readBody(c, TokenizeRequest);
      const prompt = toPrompt(body);
      const limits = limitRequest(c, deps);
      try {
        const { tokens, pieces } = await deps.engine.tokenize(prompt, { signal: limits.signal });
        if (body.with_pieces !== true) return c.json({ tokens });
        return c.json({ tokens: tokens.map((id, index) => ({ id, piece: pieces[index] })) });
      } finally {
        limits.release();
      }
    },
  };
}

function toPrompt({ content, messages }: z.infer<typeof TokenizeRequest>): Prompt {
  const hasContent = typeof content === 'string';
  if (hasContent && !messages) return { kind: 'text', text: content };
  if (messages && !hasContent) return { kind: 'chat', messages: toMessages(messages) };
  const came = hasContent ? 'both' : 'neither';
  throw refuseField('content', `expected either "content" or "messages", got ${came}`);
}
