/** One trace: its waterfall, links to the conversation and Jaeger, and its request as a curl command. */
import type { VNode } from 'preact';
import {
  explainError,
  factOf,
  type FactName,
  type Waterfall as Trace,
} from '../../../../otel/traces/rows.ts';
import type { Status } from '../../server/answers.ts';
import { requestOfTrace } from '../chat/conversations.ts';
import { CopyButton } from '../copy-button.tsx';
import { FailureMessage } from '../failure-message.tsx';
import { formatSeconds, formatTime } from '../format.ts';
import { ProgramLink } from '../program-link.tsx';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { Curl } from './curl.tsx';
import { useTrace } from './load-trace.ts';
import { Outcome } from './outcome.tsx';
import { Waterfall } from './waterfall.tsx';

export function TraceView({ id, status }: { id: string; status: Status | undefined }): VNode {
  const t = useTexts();
  const { trace, failure } = useTrace(id);
  const known = requestOfTrace(id);
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>
          <a href={linkTo('traces')}>{t.traces}</a> / <code>{id.slice(0, 8)}</code>
        </h1>
        <CopyButton text={id} label={t.copyTraceId} />
        {known !== undefined && (
          <a class="button small" href={linkTo('chat', known.conversation.id)}>
            {t.openConversation}
          </a>
        )}
        <ProgramLink base={status?.links.jaeger} path={`/trace/${id}`}>
          {t.openInJaeger}
        </ProgramLink>
      </header>
      {failure?.code === 'not_found' ? (
        <p class="empty">{t.traceGone}</p>
      ) : (
        <FailureMessage failure={failure} />
      )}
      {trace !== undefined && (
        <div class="card padded">
          <Ending trace={trace} />
          <Waterfall trace={trace} />
        </div>
      )}
      <Curl request={known?.request} />
    </main>
  );
}

/** Start, duration and outcome, and a sentence about the reason of a failure. */
function Ending({ trace }: { trace: Trace }): VNode {
  const t = useTexts();
  const { startedAt, durationMillis, rows } = trace;
  const find = (name: FactName): string | undefined =>
    rows.map((row) => factOf(row, name)?.toString()).find((value) => value !== undefined);
  const reason = find('reason');
  const error = explainError(trace);
  const meaning = reason && (t.endings[reason] ?? t.failures[reason]);
  return (
    <>
      <p class="hint">
        {formatTime(startedAt)} · {formatSeconds(durationMillis / 1000)}{' '}
        <Outcome
          outcome={find('outcome')}
          reason={reason}
          failed={rows.some(({ failed }) => failed)}
        />
      </p>
      {meaning !== undefined && <p class="explanation">{meaning}</p>}
      {error !== undefined && (
        <p class="explanation" dir="auto">
          {error.status !== undefined && <code>{error.status}</code>} {error.message}
          {error.param !== undefined && !error.message.startsWith(error.param) && (
            <>
              {' '}
              (<code>{error.param}</code>)
            </>
          )}
        </p>
      )}
    </>
  );
}
