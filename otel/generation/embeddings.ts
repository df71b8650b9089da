/** One embeddings request, or one ranking, as telemetry sees it: span, duration, tokens and outcome, once each. Begun by `inference.ts`. */
import {
  context,
  trace,
  type Attributes,
  type Context,
  type Span,
  type Tracer,
} from '@opentelemetry/api';
import type { Instruments } from '../metrics/instruments.ts';
import { withLabel } from '../metrics/series.ts';
import {
  attributes as a,
  embeddingsOperation,
  genAiProvider,
  spanAttributes as s,
  type Outcome,
  type PoolingOperation,
  type Reason,
} from '../names.ts';
import { endingLabels, genAiLabels } from './generation-metrics.ts';
import { endSpan, setOutcome } from './generation-spans.ts';
import { known, secondsBetween, type End } from './generation-state.ts';

interface EmbeddingsAdmission {
  /** The catalogue id; a metric label. */
  model: string;
  /** The model name as the client wrote it; a span attribute only. */
  requestedModel: string;
  encodingFormat?: 'float' | 'base64';
  /** Default: the time of `beginEmbeddings`. */
  at?: number;
}

/** Written to the log line. */
export interface EmbeddingsSummary {
  outcome: Outcome;
  reason: Reason;
  traceId: string;
  spanId: string;
  inputTokens: number;
  /** From admission to the end. */
  durationSeconds: number;
}

export interface Embeddings {
  /** The context with the span. */
  readonly context: Context;
  /** The request is valid. Only the first call has an effect. */
  admitted(fact: EmbeddingsAdmission): void;
  /** A second call returns the first summary. A completed request has the reason `stop`. */
  end(fact: End & { inputTokens?: number; dimensions?: number }): EmbeddingsSummary;
}

/** All facts take their times from one clock, as those of a generation. */
export function beginEmbeddings(
  { instruments, tracer }: { instruments: Instruments; tracer: Tracer },
  begun: { at: number; operation?: PoolingOperation },
): Embeddings {
  const { operation = embeddingsOperation } = begun;
  const wallOffset = Date.now() - begun.at;
  const span = tracer.startSpan(operation, {
    startTime: begun.at + wallOffset,
    attributes: {
      [a.genAiOperationName]: operation,
      [a.genAiProviderName]: genAiProvider,
    },
  });
  let admission: EmbeddingsAdmission | undefined;
  let summary: EmbeddingsSummary | undefined;

  return {
    context: trace.setSpan(context.active(), span),
    admitted(fact) {
      if (admission !== undefined || summary !== undefined) return;
      admission = fact;
      const { model, requestedModel, encodingFormat } = fact;
      span.updateName(`${operation} ${model}`);
      span.setAttributes({
        [a.genAiRequestModel]: requestedModel,
        [a.genAiResponseModel]: model,
        ...known({ [s.encodingFormats]: encodingFormat && [encodingFormat] }),
      });
    },
    end(fact) {
      if (summary !== undefined) return summary;
      const { at, outcome, reason, inputTokens = 0, dimensions } = fact;
      const durationSeconds = secondsBetween(admission?.at ?? begun.at, at) ?? 0;
      const { traceId, spanId } = span.spanContext();
      summary = { outcome, reason, traceId, spanId, inputTokens, durationSeconds };
      const labels = admission && genAiLabels(operation, admission.model);
      record(instruments, span, summary, labels);
      span.setAttributes({
        [s.inputTokens]: inputTokens,
        ...known({ [s.dimensions]: dimensions }),
      });
      setOutcome(span, fact);
      endSpan(span, at + wallOffset, begun.at + wallOffset);
      return summary;
    },
  };
}

/** A rejected request embedded nothing: only `inference.embeddings.requests` counts it. */
function record(
  instruments: Instruments,
  span: Span,
  summary: EmbeddingsSummary,
  labels: Attributes | undefined,
): void {
  const { outcome, reason, inputTokens, durationSeconds } = summary;
  instruments.add('inferenceEmbeddingsRequests', 1, endingLabels(summary));
  if (labels === undefined || outcome === 'rejected') return;
  const ended = outcome === 'completed' ? labels : withLabel(labels, a.errorType, reason);
  const exemplar = span.spanContext();
  instruments.record('genAiServerRequestDuration', durationSeconds, ended, exemplar);
  if (inputTokens === 0) return;
  const typed = withLabel(labels, a.genAiTokenType, 'input');
  instruments.record('genAiClientTokenUsage', inputTokens, typed, exemplar);
}
