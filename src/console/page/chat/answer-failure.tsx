/** Why an answer stopped or failed, and when a retry is possible. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useFailureText } from '../failure-message.tsx';
import { useTexts } from '../texts/texts.ts';
import type { AnswerTurn } from './conversations.ts';

interface AnswerFailureProps {
  turn: AnswerTurn;
  onRetry: (() => void) | undefined;
}

export function AnswerFailure({ turn, onRetry }: AnswerFailureProps): VNode | null {
  const t = useTexts();
  const failureText = useFailureText();
  const { state, failure } = turn;
  const waitSeconds = useCountdown(turn.endedAt, failure?.retryAfterSeconds ?? 0);
  if (state === 'stopped') return <p class="ending">{t.stopped}</p>;
  if (failure === undefined) return null;
  return (
    <div class="failure" role="alert">
      <p>
        <strong>{state === 'broken' ? t.broken : t.refused}</strong> {failureText(failure)}
      </p>
      {onRetry !== undefined && (
        <button type="button" class="small" disabled={waitSeconds > 0} onClick={onRetry}>
          {waitSeconds > 0 ? t.retryIn(waitSeconds) : t.retry}
        </button>
      )}
    </div>
  );
}

/** Seconds, rounded up, until `seconds` after `since` (epoch milliseconds). */
function useCountdown(since: number, seconds: number): number {
  const left = (): number => Math.max(0, Math.ceil((since + seconds * 1000 - Date.now()) / 1000));
  const [remaining, setRemaining] = useState(left);
  useEffect(() => {
    setRemaining(left());
    if (left() === 0) return undefined;
    const timer = setInterval(() => setRemaining(left()), 250);
    return () => clearInterval(timer);
  }, [since, seconds]);
  return remaining;
}
