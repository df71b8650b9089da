/** One answer: its text, how it ended, what it cost, and on a click where its time went. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { phases } from '../../../../otel/traces/rows.ts';
import { CopyButton } from '../copy-button.tsx';
import { formatNumber, formatSeconds } from '../format.ts';
import { Markdown } from '../markdown.tsx';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { useTrace } from '../traces/load-trace.ts';
import { Waterfall } from '../traces/waterfall.tsx';
import { Trouble } from '../trouble.tsx';
import type { AnswerFacts } from './answer-stream.ts';
import { AnswerTrouble } from './answer-trouble.tsx';
import type { AnswerTurn } from './conversations.ts';

interface AnswerProps {
  turn: AnswerTurn;
  /** Undefined where it cannot be asked for again. */
  onRetry: (() => void) | undefined;
}

export function Answer({ turn, onRetry }: AnswerProps): VNode {
  const t = useTexts();
  const streaming = turn.state === 'streaming';
  return (
    <article class={`turn answer ${turn.state}`} aria-label={t.answer} aria-busy={streaming}>
      {turn.text !== '' && <Markdown text={turn.text} />}
      {streaming && turn.text === '' && <p class="waiting">{t.waiting}</p>}
      <AnswerTrouble turn={turn} onRetry={onRetry} />
      {!streaming && <Facts turn={turn} onRetry={onRetry} />}
    </article>
  );
}

function Facts({ turn, onRetry }: AnswerProps): VNode {
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

/** The shares of the phases, in their colours: the waterfall in small. */
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
    [t.facts.cached, `${facts.cachedTokens}/${facts.inputTokens}`],
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
      {facts.finishReason === 'length' && <div class="cut">{t.facts.cut}</div>}
    </dl>
  );
}

function AnswerTrace({ traceId }: { traceId: string }): VNode {
  const t = useTexts();
  const { trace, failure } = useTrace(traceId);
  const box = useRef<HTMLDivElement>(null);
  // Under the last answer it opens below the edge.
  useEffect(() => box.current?.scrollIntoView({ block: 'nearest' }), [trace]);
  return (
    <div class="answer-trace" ref={box}>
      {failure?.code === 'not_found' ? <p>{t.traceGone}</p> : <Trouble failure={failure} />}
      {trace !== undefined && <Waterfall trace={trace} />}
      <a href={linkTo('traces', traceId)}>{t.traceAndCurl}</a>
    </div>
  );
}
