/** Silences an alert for a while. The reason is required: others will see the silence. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { Choices } from '../choices.tsx';
import { postJson, type Failure } from '../client.ts';
import { FailureMessage } from '../failure-message.tsx';
import { useTexts } from '../texts/texts.ts';

const minutes = { quarter: 15, hour: 60, day: 1440 };
type Length = keyof typeof minutes;

interface SilenceFormProps {
  fingerprint: string;
  onDone: () => void;
}

export function SilenceForm({ fingerprint, onDone }: SilenceFormProps): VNode {
  const t = useTexts();
  const [length, setLength] = useState<Length>('hour');
  const [reason, setReason] = useState('');
  const [busy, setBusy] = useState(false);
  const [failure, setFailure] = useState<Failure>();
  const field = useRef<HTMLInputElement>(null);
  useEffect(() => field.current?.focus(), []);
  const silence = async (): Promise<void> => {
    setBusy(true);
    const body = { fingerprint, minutes: minutes[length], reason: reason.trim() };
    const result = await postJson('/api/silences', body);
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
      <Choices
        label={t.silenceLength}
        texts={t.silenceLengths}
        value={length}
        onChoose={setLength}
      />
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
        {t.silenceFor(t.silenceLengths[length])}
      </button>
      <FailureMessage failure={failure} />
    </form>
  );
}
