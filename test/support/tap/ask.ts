/** One request through the tap: what the client got, and what the telemetry and the log have of it. */
import type { Telemetry } from '../../../otel/sdk.ts';
import { changesDuring } from '../otel/scrape.ts';
import { until } from '../until.ts';
import type { Reply, StandIn } from './stand-in.ts';
import type { TapApp } from './tap-app.ts';

interface Got {
  status: number;
  headers: Headers;
  body: Buffer;
  isBroken: boolean;
  changes: Record<string, number>;
  line: Record<string, unknown>;
}

/** Sends one request through the tap. */
export async function askThrough(
  telemetry: Telemetry,
  { server, tap, prompt }: { server: StandIn; tap: TapApp; prompt: string },
  reply: Reply | 'cut',
  path = '/v1/chat/completions',
): Promise<Got> {
  server.reply = reply;
  const got = { status: 0, headers: new Headers(), body: Buffer.alloc(0), isBroken: false };
  const changes = await changesDuring(telemetry, async () => {
    const answer = await fetch(tap.url + path, { method: 'POST', body: prompt });
    got.status = answer.status;
    got.headers = answer.headers;
    const parts: Uint8Array[] = [];
    try {
      for await (const part of answer.body!) parts.push(part);
    } catch {
      got.isBroken = true;
    }
    got.body = Buffer.concat(parts);
    await until(() => tap.log.length > 0);
  });
  return { ...got, changes, line: tap.log[0]!.facts };
}

/** Outcome and reason of each request. */
export const outcome = (changes: Record<string, number>): string[] =>
  Object.keys(changes).flatMap((key) => {
    const found = /^inference_requests_total\{outcome="(\w+)",reason="(\w+)"/.exec(key);
    return found === null
      ? []
      : Array.from({ length: changes[key]! }, () => found.slice(1).join(' '));
  });

/** How each stream ended. */
export const how = (changes: Record<string, number>): string[] =>
  Object.keys(changes).flatMap((key) => /^inference_stream_.*how="(\w+)"/.exec(key)?.[1] ?? []);

/** Counted tokens by type. */
export const tokens = (changes: Record<string, number>): Record<string, number> =>
  Object.fromEntries(
    Object.entries(changes).flatMap(([key, value]) => {
      const type = /^inference_tokens_total\{type="(\w+)"/.exec(key)?.[1];
      return type === undefined ? [] : [[type, value]];
    }),
  );
