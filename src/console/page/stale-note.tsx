/** Why a value is not up to date, and how old it is. Shown beside every polled value that is stale or missing. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useFailureText } from './failure-message.tsx';
import type { Polled } from './polling.ts';
import { useTexts } from './texts/texts.ts';

interface StaleNoteProps {
  polled: Polled<unknown>;
  /** Only the age, if there is a value: one of many notes with the same reason. */
  short?: boolean;
}

export function StaleNote({ polled, short = false }: StaleNoteProps): VNode | null {
  const t = useTexts();
  const failureText = useFailureText();
  const { failure, isStale, receivedAt } = polled;
  if (failure === undefined && !isStale) return null;
  return (
    <p class="failure stale-note">
      {failure !== undefined && !(short && receivedAt !== undefined) && (
        <span role="status">{failureText(failure)}</span>
      )}{' '}
      {receivedAt !== undefined && (
        <span>
          {t.valuesFrom} <Age since={receivedAt} />
        </span>
      )}
    </p>
  );
}

/** Counts on. @param since epoch milliseconds of the browser */
export function Age({ since }: { since: number }): VNode {
  const t = useTexts();
  const [, redraw] = useState({});
  useEffect(() => {
    const timer = setInterval(() => redraw({}), 1000);
    return () => clearInterval(timer);
  }, []);
  return <>{t.ago(Math.max(0, Math.round((Date.now() - since) / 1000)))}</>;
}
