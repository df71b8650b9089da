/** One answer: its text, failure, token usage, and its waterfall on a click. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { phases } from '../../../../otel/traces/rows.ts';
import { CopyButton } from '../copy-button.tsx';
import { FailureMessage } from '../failure-message.tsx';
import { formatNumber, formatSeconds } from '../format.ts';
import { Markdown } from '../markdown.tsx';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { useTrace } from '../traces/load-trace.ts';
import { Waterfall } from '../traces/waterfall.tsx';
import type { AnswerFacts } from './answer-stream.ts';
import { AnswerFailure } from './answer-failure.tsx';
import type { AnswerTurn } from './conversations.ts';
import { liveAnswers } from './live-answers.ts';
import type { Wait } from './wait.ts';

interface AnswerProps {
  turn: AnswerTurn;
  /** Whether another tab writes this answer. */
  isElsewhere: boolean;
  /** Undefined for every answer but the last. */
  onRetry: (() => void) | undefined;
}

export function Answer({ turn, isElsewhere, onRetry }: AnswerProps): VNode {
  const t = useTexts();
  const streaming = turn.state === 'streaming';
  return (
    <article class={`turn answer ${turn.state}`} aria-label={t.answer} aria-busy={streaming}>
      {streaming ? (
        <LiveText turn={turn} isElsewhere={isElsewhere} />
      ) : (
        turn.text !== '' && <Markdown text={turn.text} />
      )}
      <AnswerFailure turn={turn} onRetry={onRetry} />
      {!streaming && <Facts turn={turn} onRetry={onRetry} />}
    </article>
  );
}

/** Renders with every piece, so it is the only component that reads the answers that are being generated. */
function LiveText({ turn, isElsewhere }: Omit<AnswerProps, 'onRetry'>): VNode {
  const t = useTexts();
  const live = useStore(liveAnswers).get(turn.id);
  const text = live?.text ?? turn.text;
  return (
    <>
      {text === '' ? <WaitLine wait={live?.wait} /> : <Markdown text={text} />}
      {isElsewhere && <p class="ending">{t.writtenElsewhere}</p>}
    </>
  );
}

/** The place in the queue, then how much of the prompt is evaluated. */
function WaitLine({ wait }: { wait: Wait | undefined }): VNode {
  const t = useTexts();
  if (wait === undefined) return <p class="waiting">{t.waiting}</p>;
  if (wait.phase === 'queued') {
    const left = wait.seconds === undefined ? undefined : formatSeconds(wait.seconds);
    return <p class="waiting queued">{t.queued(wait.before, left)}</p>;
  }
  return (
    <p class="waiting">
      {t.readingPrompt(wait.percent)}{' '}
      <progress max={100} value={wait.percent} aria-label={t.readingPrompt(wait.percent)} />
    </p>
  );
}

function Facts({ turn, onRetry }: Omit<AnswerProps, 'isElsewhere'>): VNode {
  const t = useTexts();
  const [open, setOpen] = useState(false);
  const { traceId, facts } = turn;
  return (
    <footer>
      <div class="facts">
        {traceId !== undefined && (
          <button
            type="button"
            class="facts-button"
            aria-expanded={open}
            aria-label={t.whereTimeWent}
            title={t.whereTimeWent}
            onClick={() => setOpen(!open)}
          >
            <PhaseStrip facts={facts} />
            {t.waterfall}
          </button>
        )}
        {facts !== undefined && <FactList facts={facts} />}
        <span class="actions">
          {turn.text !== '' && <CopyButton text={turn.text} />}
          {onRetry !== undefined && turn.failure === undefined && (
            <button type="button" class="small" onClick={onRetry}>
              {t.retry}
            </button>
          )}
        </span>
      </div>
      {open && traceId !== undefined && <AnswerTrace traceId={traceId} />}
    </footer>
  );
}

/** The share of each phase in its color: a small waterfall. */
function PhaseStrip({ facts }: { facts: AnswerFacts | undefined }): VNode | null {
  if (facts === undefined) return null;
  return (
    <span class="strip" aria-hidden="true">
      {phases.map((phase) => (
        <i key={phase} class={phase} style={{ flexGrow: (facts.phases[phase] ?? 0) * 1000 }} />
      ))}
    </span>
  );
}

function FactList({ facts }: { facts: AnswerFacts }): VNode {
  const t = useTexts();
  const { tokensPerSecond, firstTokenSeconds } = facts;
  const entries = [
    [t.facts.tokens, formatNumber(facts.outputTokens)],
    [t.facts.speed, tokensPerSecond && `${formatNumber(tokensPerSecond)}/s`],
    [t.facts.firstToken, firstTokenSeconds && formatSeconds(firstTokenSeconds)],
    [t.facts.cached, facts.inputTokens && `${facts.cachedTokens}/${facts.inputTokens}`],
  ] as const;
  return (
    <dl>
      {entries.map(
        ([name, value]) =>
          value !== undefined && (
            <div key={name}>
              <dt>{name}</dt>
              <dd>{value}</dd>
            </div>
          ),
      )}
      {facts.finishReason === 'length' && <div class="truncated">{t.facts.truncated}</div>}
    </dl>
  );
}

function AnswerTrace({ traceId }: { traceId: string }): VNode {
  const t = useTexts();
  const { trace, failure } = useTrace(traceId);
  const box = useRef<HTMLDivElement>(null);
  // The waterfall of the last answer would open below the visible area.
  useEffect(() => box.current?.scrollIntoView({ block: 'nearest' }), [trace]);
  return (
    <div class="answer-trace" ref={box}>
      {failure?.code === 'not_found' ? <p>{t.traceGone}</p> : <FailureMessage failure={failure} />}
      {trace !== undefined && <Waterfall trace={trace} />}
      <a href={linkTo('traces', traceId)}>{t.traceAndCurl}</a>
    </div>
  );
}
