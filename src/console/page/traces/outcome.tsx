/** The outcome of a request as a chip, with the reason in words. Its title has the codes that metrics and logs contain. */
import type { VNode } from 'preact';
import { nameInWords } from '../live/legend-words.ts';
import { usePick, useTexts } from '../texts/texts.ts';

interface OutcomeProps {
  /** Undefined if the request started no generation. */
  outcome: string | undefined;
  reason: string | undefined;
  failed: boolean;
}

export function Outcome({ outcome, reason, failed }: OutcomeProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const ended = outcome ?? (failed ? 'failed' : 'other');
  return (
    <span class={`chip ${ended}`} title={reason === undefined ? undefined : `${ended} · ${reason}`}>
      {t.outcomes[ended] ?? ended}
      {reason !== undefined && reason !== 'stop' && ` · ${nameInWords(reason, pick)}`}
    </span>
  );
}
