/** Writes streamed answers. A stream ends with `[DONE]`, with an error frame, or when its client disconnects or stops reading. */
import type { Context } from 'hono';
import { stream } from 'hono/streaming';
import type { GenerationTimings } from '../../../otel/generation/generation-state.ts';
import { isFulfilledWithin } from '../../../otel/clock.ts';
import { toChatError, type ChatError } from '../../errors.ts';
import type { ApiEnv } from '../request-context.ts';
import { toErrorBody } from '../error-body.ts';
import type { Piece } from './answers.ts';
import type { Run } from './generation.ts';
import type { StreamTimeouts } from './request-limits.ts';
import type { PromptProgress } from './token-timings.ts';

type Write = (text: string) => Promise<void>;

export interface StreamedText {
  contentType: string;
  body(write: Write): Promise<void>;
  /** The text of an error after the first byte. */
  error(error: ChatError): string;
}

/** Awaits every write, because Hono drops the last write if it is not awaited. */
export function streamText(
  c: Context<ApiEnv>,
  timeouts: StreamTimeouts,
  run: Run,
  text: StreamedText,
): Response {
  const account = c.get('account');
  c.header('content-type', text.contentType);
  c.header('cache-control', 'no-cache');
  // Turns off nginx's buffering.
  c.header('x-accel-buffering', 'no');
  c.header('server-timing', toServerTiming(account.generation.timings()));
  account.streamBegan();
  return stream(c, async (out) => {
    out.onAbort(() => account.streamEnded('client_gone'));
    const write: Write = async (piece) => {
      if (await isFulfilledWithin(timeouts.stallMillis, out.write(piece))) return;
      account.streamEnded('stalled');
      run.abandon();
      out.abort();
      c.env.outgoing?.destroy();
    };
    try {
      await text.body(write);
      account.streamEnded(out.aborted ? 'client_gone' : 'done');
    } catch (cause) {
      const error = toChatError(cause);
      // Either this error or `onAbort` comes first when the client disconnects.
      if (error.code === 'client_gone') account.streamEnded('client_gone');
      if (out.aborted || error.code === 'client_gone') return;
      await write(text.error(error));
      account.streamEnded('error_frame');
    }
  });
}

export interface StreamFrames {
  /** Before the first token. */
  first?(): object[];
  /** While the prompt is evaluated, instead of comments. */
  progress?(progress: PromptProgress): object[];
  piece(piece: Piece): object[];
  last(): object[];
  /** For streams whose events have names: an event is named as its `type`, and no `[DONE]` ends the stream. */
  named?: { error(error: ChatError): object[] };
}

/** Server-sent events as OpenAI and Anthropic send them. @throws ChatError that ends the generation before the headers are sent. */
export async function streamFrames(
  c: Context<ApiEnv>,
  timeouts: StreamTimeouts,
  run: Run,
  frames: StreamFrames,
): Promise<Response> {
  const { keepAliveMillis } = timeouts;
  const { named } = frames;
  const toEvent = (frame: object): string => {
    const name = named !== undefined && 'type' in frame ? `event: ${String(frame.type)}\n` : '';
    return `${name}data: ${JSON.stringify(frame)}\n\n`;
  };
  const toEvents = (all: readonly object[]): string => all.map(toEvent).join('');
  const started = await isFulfilledWithin(keepAliveMillis, run.started);
  return streamText(c, timeouts, run, {
    contentType: 'text/event-stream',
    async body(write) {
      const send = async (all: readonly object[]): Promise<void> => {
        if (all.length > 0) await write(toEvents(all));
      };
      const waitFor = async (promise: Promise<void>): Promise<void> => {
        while (!(await isFulfilledWithin(keepAliveMillis, promise))) await write(commentOf(run));
      };
      if (!started) await write(commentOf(run));
      await waitFor(run.started);
      if (frames.first !== undefined) await send(frames.first());
      if (frames.progress === undefined) await waitFor(run.prefilled);
      else for await (const each of run.progress()) await send(frames.progress(each));
      for await (const piece of run.pieces()) await send(frames.piece(piece));
      await send(frames.last());
      if (named === undefined) await write('data: [DONE]\n\n');
    },
    error: (error) => toEvents(named?.error(error) ?? [toErrorBody(error)]),
  });
}

/**
 * A comment of a stream whose answer has not begun: `: queued {"position":3,"seconds":12}` or `: prefill {"evaluated":512,"tokens":900}`.
 * A client that knows it shows the wait; any other ignores it (https://html.spec.whatwg.org/multipage/server-sent-events.html).
 */
function commentOf(run: Run): string {
  const { phase, ...facts } = run.wait() ?? { phase: 'queued' };
  const rounded = 'seconds' in facts ? { ...facts, seconds: Math.ceil(facts.seconds) } : facts;
  return `: ${phase} ${JSON.stringify(rounded)}\n\n`;
}

/**
 * The Server-Timing header, for a browser's network panel: milliseconds of each phase (https://www.w3.org/TR/server-timing/);
 * undefined before the first phase has ended.
 */
export function toServerTiming(timings: GenerationTimings): string | undefined {
  const phases = [
    ['tokenize', timings.tokenizeSeconds],
    ['queue', timings.queueSeconds],
    ['prefill', timings.prefillSeconds],
    ['decode', timings.decodeSeconds],
  ] as const;
  const metrics = phases.flatMap(([name, seconds]) =>
    seconds === undefined ? [] : [`${name};dur=${(seconds * 1000).toFixed(2)}`],
  );
  return metrics.length === 0 ? undefined : metrics.join(', ');
}
