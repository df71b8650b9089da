/** One trace: its numbers, its waterfall, links to the conversation and Jaeger, and its request as a curl command. */
import type { VNode } from 'preact';
import {
  explainError,
  factOf,
  firstTokenOf,
  type FactName,
  type Waterfall as Trace,
} from '../../../../otel/traces/rows.ts';
import type { Status } from '../../server/answers.ts';
import { useRequestOfTrace } from '../chat/use-conversation.ts';
import { CopyButton } from '../copy-button.tsx';
import { FailureMessage } from '../failure-message.tsx';
import { formatNumber, formatSeconds, formatTime } from '../format.ts';
import { ProgramLink } from '../program-link.tsx';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';
import { Curl } from './curl.tsx';
import { useTrace } from './load-trace.ts';
import { Outcome } from './outcome.tsx';
import { linkToList } from './trace-list.tsx';
import { Waterfall } from './waterfall.tsx';

export function TraceView({ id, status }: { id: string; status: Status | undefined }): VNode {
  const t = useTexts();
  const { trace, failure } = useTrace(id);
  const known = useRequestOfTrace(id);
  const name = trace?.rows[0]?.name;
  useTitle([t.traceTitle(id.slice(0, 8)), ...(name === undefined ? [] : [name])].join(' · '));
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>
          <a href={linkToList()}>{t.traces}</a> / <code>{id.slice(0, 8)}</code>
        </h1>
        <CopyButton text={id} label={t.copyTraceId} />
        {known !== undefined && (
          <a class="button small" href={linkTo('chat', known.conversationId)}>
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
          <Numbers trace={trace} />
          <Waterfall trace={trace} />
        </div>
      )}
      {/* The request of another browser or program is unknown, because traces contain no prompts. */}
      {known !== undefined && <Curl request={known.request} />}
    </main>
  );
}

function find(trace: Trace, name: FactName): string | undefined {
  return trace.rows
    .map((row) => factOf(row, name)?.toString())
    .find((value) => value !== undefined);
}

/** Start, duration and outcome, and a sentence about the reason of a failure. */
function Ending({ trace }: { trace: Trace }): VNode {
  const t = useTexts();
  const { startedAt, durationMillis, rows } = trace;
  const reason = find(trace, 'reason');
  const error = explainError(trace);
  const meaning = reason && (t.endings[reason] ?? t.failures[reason]);
  return (
    <>
      <p class="hint">
        {formatTime(startedAt)} · {formatSeconds(durationMillis / 1000)}{' '}
        <Outcome
          outcome={find(trace, 'outcome')}
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
              ({t.field} <code>{error.param}</code>)
            </>
          )}
        </p>
      )}
    </>
  );
}

/** The numbers of the generation that the list shows in its columns. */
function Numbers({ trace }: { trace: Trace }): VNode | null {
  const t = useTexts();
  const format = (name: FactName, how: (value: number) => string): string | undefined => {
    const value = Number(find(trace, name) ?? 0);
    return value > 0 ? how(value) : undefined;
  };
  const cached = format('cachedTokens', t.cachedTokens) ?? '';
  const first = firstTokenOf(trace);
  const total = Number(find(trace, 'inputTokens') ?? 0) + Number(find(trace, 'outputTokens') ?? 0);
  const entries = [
    [t.inputTokens, format('inputTokens', (count) => formatNumber(count) + cached)],
    [t.outputTokens, format('outputTokens', formatNumber)],
    [t.totalTokens, total > 0 ? formatNumber(total) : undefined],
    [t.facts.firstToken, first && formatSeconds(first / 1000)],
    [t.facts.speed, format('tokensPerSecond', (speed) => `${formatNumber(speed)}/s`)],
    [t.model, find(trace, 'model')],
    [t.clientName, find(trace, 'client') ?? find(trace, 'peerAddress')],
  ] as const;
  const known = entries.filter(([, value]) => value !== undefined);
  if (known.length === 0) return null;
  return (
    <dl class="trace-numbers">
      {known.map(([name, value]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{value}</dd>
        </div>
      ))}
    </dl>
  );
}
