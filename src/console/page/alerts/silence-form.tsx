/** Silences an alert for an hour. The reason is required: others will see the silence. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { postJson, type Failure } from '../client.ts';
import { FailureMessage } from '../failure-message.tsx';
import { useTexts } from '../texts/texts.ts';

const minutes = 60;

interface SilenceFormProps {
  fingerprint: string;
  onDone: () => void;
}

export function SilenceForm({ fingerprint, onDone }: SilenceFormProps): VNode {
  const t = useTexts();
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const silence = async (): Promise<void> => {
    setBusy(true);
    const result = await postJson('/api/silences', { fingerprint, minutes, reason: reason.trim() });
    setBusy(false);
    if (result.ok) onDone();
    else setFailure(result.failure);
  };
  return (
    <form
      class="silence-form"
      onSubmit={(event) => {
        event.preventDefault();
        void silence();
      }}
    >
      <label>
        {t.silenceReason}
        <input
          ref={field}
          required
          maxLength={200}
          value={reason}
          onInput={(event) => setReason(event.currentTarget.value)}
        />
      </label>
      <button type="submit" class="primary" disabled={busy || reason.trim() === ''}>
        {t.silenceNow}
      </button>
      <FailureMessage failure={failure} />
    </form>
  );
}
