/** The outcome of a request as a chip, with the reason as the metrics name it. */
import type { VNode } from 'preact';
import { useTexts } from '../texts/texts.ts';

interface OutcomeProps {
  /** Undefined if the request started no generation. */
  outcome: string | undefined;
  reason: string | undefined;
  failed: boolean;
}

export function Outcome({ outcome, reason, failed }: OutcomeProps): VNode {
  const t = useTexts();
  const ended = outcome ?? (failed ? 'failed' : 'other');
  return (
    <span class={`chip ${ended}`} title={reason}>
      {t.outcomes[ended] ?? ended}
      {reason !== undefined && reason !== 'stop' && ` · ${reason}`}
    </span>
  );
}
