/** A row of the list of traces: one trace, or equal refusals that unfold. */
import type { VNode } from 'preact';
import { phases, type TraceSummary } from '../../../../otel/traces/rows.ts';
import { formatSeconds, formatTime, formatValue } from '../format.ts';
import { changeQuery, linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { Outcome } from './outcome.tsx';
import type { TraceGroup } from './trace-groups.ts';

interface GroupRowProps {
  group: TraceGroup;
  scaleMillis: number;
  isOpen: boolean;
}

export function GroupRow({ group, scaleMillis, isOpen }: GroupRowProps): VNode {
  const t = useTexts();
  const { key, traces } = group;
  const [first] = traces;
  if (traces.length === 1) {
    return (
      <li>
        <TraceRow trace={first} scaleMillis={scaleMillis} />
      </li>
    );
  }
  const times = traces.map(({ startedAt }) => startedAt);
  return (
    <li>
      <button
        type="button"
        class="trace-row trace-group"
        aria-expanded={isOpen}
        onClick={() => changeQuery({ open: isOpen ? undefined : key }, 'replace')}
      >
        <time>{formatTime(Math.max(...times))}</time>
        <span class="trace-name">{first.name}</span>
        <Outcome outcome={first.outcome} reason={first.reason} failed={first.failed} />
        <span class="trace-error" title={first.error?.message}>
          <b>{t.times(traces.length)}</b> {t.sinceTime(formatTime(Math.min(...times)))}
          {first.client !== undefined && ` · ${first.client}`}
          {first.error !== undefined && ` · ${first.error.message}`}
        </span>
      </button>
      {isOpen && (
        <ol class="trace-list inner">
          {traces.map((trace) => (
            <li key={trace.traceId}>
              <TraceRow trace={trace} scaleMillis={scaleMillis} />
            </li>
          ))}
        </ol>
      )}
    </li>
  );
}

function TraceRow({ trace, scaleMillis }: { trace: TraceSummary; scaleMillis: number }): VNode {
  const t = useTexts();
  const { traceId, startedAt, name, model, durationMillis, client, firstTokenMillis } = trace;
  return (
    <a class="trace-row" href={linkTo('traces', traceId)}>
      <time>{formatTime(startedAt)}</time>
      <span class="trace-name" title={model}>
        {name} {model !== undefined && <small>{model}</small>}
      </span>
      <Outcome outcome={trace.outcome} reason={trace.reason} failed={trace.failed} />
      {trace.error === undefined || trace.outputTokens ? (
        <>
          <Tokens trace={trace} />
          <span class="number first-token">
            {firstTokenMillis !== undefined && (
              <>
                <span class="cell-label">{t.traceColumns.firstToken} </span>
                {formatSeconds(firstTokenMillis / 1000)}
              </>
            )}
          </span>
          <span class="client">{client}</span>
          <Bar trace={trace} scaleMillis={scaleMillis} />
          <span class="number span-time">{formatSeconds(durationMillis / 1000)}</span>
        </>
      ) : (
        <>
          <span class="trace-error" dir="auto" title={trace.error.message}>
            {trace.error.message}
          </span>
          <span class="number span-time">{formatSeconds(durationMillis / 1000)}</span>
        </>
      )}
    </a>
  );
}

function Tokens({ trace: { inputTokens, outputTokens } }: { trace: TraceSummary }): VNode {
  const t = useTexts();
  const isKnown = inputTokens !== undefined || outputTokens !== undefined;
  return (
    <span class="number tokens" title={t.tokensInOut}>
      {isKnown && (
        <>
          <span class="cell-label">{t.traceColumns.tokens} </span>
          {formatValue(inputTokens, '{token}')} → {formatValue(outputTokens, '{token}')}
        </>
      )}
    </span>
  );
}

/** The phases in their order and colors. A trace beyond the scale fills the track, and its end is torn. */
function Bar({ trace, scaleMillis }: { trace: TraceSummary; scaleMillis: number }): VNode {
  const t = useTexts();
  const { durationMillis, phases: durations = {}, failed } = trace;
  const isCut = durationMillis > scaleMillis;
  const percent = (millis: number): string =>
    `${(100 * millis) / Math.max(durationMillis, 0.001)}%`;
  const known = phases.filter((phase) => (durations[phase] ?? 0) > 0);
  return (
    <span class="track" aria-hidden="true" title={isCut ? t.beyondScale : undefined}>
      <span
        class={`trace-bar ${failed ? 'failed' : ''} ${isCut ? 'cut' : ''}`}
        style={{ width: `${Math.min(100, (100 * durationMillis) / scaleMillis)}%` }}
      >
        {known.map((phase) => (
          <i key={phase} class={phase} style={{ width: percent(durations[phase]!) }} />
        ))}
      </span>
    </span>
  );
}
