/** The variables that guards set on a request and its handler reads, and the log of a handler. */
import type { HttpBindings } from '@hono/node-server';
import type { RequestIdVariables } from 'hono/request-id';
import type { Embeddings, Generation, GenerationSummary } from '../../otel/generation/inference.ts';
import type { Reason, StreamEnding } from '../../otel/names.ts';
import type { ChatError } from '../errors.ts';
import type { Endpoint } from './endpoint.ts';

export type ApiEnv = {
  Bindings: Partial<HttpBindings>;
  Variables: RequestIdVariables & {
    /** An opaque id of the API key, or `anonymous`. Clients take turns in the queue. */
    client: string;
    /** Set on routes whose errors do not have OpenAI's form. */
    errorForm: Endpoint['errorForm'];
    /** Set on routes that generate. */
    account: Account;
    /** Set on the route of embeddings. */
    embeddings: EmbeddingsAccount;
  };
};

export type FinalReason = Reason<'completed'>;

/** The account of one request: one outcome in the metrics and one log line. */
export interface Account {
  readonly generation: Generation;
  /** Adds facts to the log line; no text of prompt and answer. */
  note(facts: object): void;
  /** Only the first call has an effect; later ones return the same summary. */
  end(result: FinalReason | ChatError): GenerationSummary;
  /** Like `end`, for a request that failed before its generation began. */
  refuse(error: ChatError): void;
  /** The headers of a stream are sent. `streamEnded` must follow: the log line waits for it. */
  streamBegan(): void;
  /** How the stream ended for the client. Only the first call has an effect. */
  streamEnded(how: StreamEnding): void;
}

/** The account of one embeddings request: one outcome in the metrics and one log line. */
export interface EmbeddingsAccount {
  admitted: Embeddings['admitted'];
  /** The vectors are ready. */
  complete(result: { inputTokens: number; dimensions?: number }): void;
}

export interface Log {
  info(facts: object, message: string): void;
  error(facts: object, message: string): void;
}
