/** Server-sent events as OpenAI sends them, and how a stream ends: `[DONE]`, an error frame, or a client that left. */
import type { Context } from 'hono';
import { streamSSE } from 'hono/streaming';
import { toChatError } from '../errors.ts';
import { toErrorBody } from './error-body.ts';
import type { GenerationEnv, Run } from './generation.ts';

export interface StreamFrames {
  first?(): object;
  text(text: string): object;
  last(): object[];
}

/** Every write is awaited: Hono drops the last one otherwise. After the first byte an error is a frame. */
export function streamFrames(c: Context<GenerationEnv>, run: Run, frames: StreamFrames): Response {
  const generation = c.get('generation');
  return streamSSE(c, async (stream) => {
    const write = (frame: object): Promise<void> =>
      stream.writeSSE({ data: JSON.stringify(frame) });
    stream.onAbort(() => generation.streamEnded('client_gone'));
    try {
      if (frames.first !== undefined) await write(frames.first());
      for await (const text of run.text) {
        await write(frames.text(text));
      }
      for (const frame of frames.last()) await write(frame);
      await stream.writeSSE({ data: '[DONE]' });
      generation.streamEnded(stream.aborted ? 'client_gone' : 'done');
    } catch (error) {
      if (stream.aborted) return;
      await write(toErrorBody(toChatError(error)));
      generation.streamEnded('error_frame');
    }
  });
}
