/** A silence of an alert: until when, by whom and why, and a button that ends it. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Alert } from '../../server/answers.ts';
import { postJson, type Failure } from '../client.ts';
import { FailureMessage } from '../failure-message.tsx';
import { formatTime } from '../format.ts';
import { useTexts } from '../texts/texts.ts';

interface SilenceProps {
  silence: Alert['silences'][number];
  onDone: () => void;
}

export function Silence({ silence, onDone }: SilenceProps): VNode {
  const t = useTexts();
  const { id, createdBy, reason, endsAt } = silence;
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const lift = async (): Promise<void> => {
    setBusy(true);
    const result = await postJson(`/api/silences/${encodeURIComponent(id)}/expire`, {});
    setBusy(false);
    if (result.ok) onDone();
    else setFailure(result.failure);
  };
  return (
    <>
      <p class="silence">
        <span class="muted">
          {t.silencedUntil(formatTime(endsAt), createdBy)} <q dir="auto">{reason}</q>
        </span>
        <button type="button" class="small" disabled={busy} onClick={() => void lift()}>
          {t.liftSilence}
        </button>
      </p>
      <FailureMessage failure={failure} />
    </>
  );
}
