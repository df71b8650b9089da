/** POST /chat: a prompt in, plain text out as it is generated; made for curl. */
import type { Context } from 'hono';
import { stream } from 'hono/streaming';
import { z } from 'zod';
import { toChatError } from '../errors.ts';
import { startGeneration, type GenerationDeps, type GenerationEnv } from './generation.ts';
import { Messages, readBody, SamplingFields, toSampling } from './requests.ts';

const ChatRequest = SamplingFields.extend({
  prompt: z.string().min(1).optional(),
  messages: Messages.optional(),
}).refine((body) => (body.prompt === undefined) !== (body.messages === undefined), {
  error: 'expected either "prompt" or "messages"',
});

export function createChat(deps: GenerationDeps) {
  return async function chat(c: Context<GenerationEnv>): Promise<Response> {
    const body = await readBody(c, ChatRequest);
    const messages = body.messages ?? [{ role: 'user' as const, content: body.prompt ?? '' }];
    const run = await startGeneration(c, deps, {
      prompt: { kind: 'chat', messages },
      sampling: toSampling(body),
      requestedModel: undefined,
      stream: true,
    });
    const generation = c.get('generation');
    c.header('content-type', 'text/plain; charset=utf-8');
    return stream(c, async (out) => {
      out.onAbort(() => generation.streamEnded('client_gone'));
      try {
        for await (const text of run.text) await out.write(text);
        await out.write('\n');
        generation.streamEnded(out.aborted ? 'client_gone' : 'done');
      } catch (error) {
        if (out.aborted) return;
        await out.write(`\n[${toChatError(error).message}]\n`);
        generation.streamEnded('error_frame');
      }
    });
  };
}
