/** The input field: Enter sends, Shift+Enter breaks the line, Escape stops the answer. */
import type { RefObject, VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useTexts } from '../texts/texts.ts';
import type { ChatSettings } from './conversations.ts';
import { SettingsForm } from './settings-form.tsx';

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  busy: boolean;
  settings: ChatSettings;
  onSettings: (next: ChatSettings) => void;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Focuses the input field, except on touch screens, where the keyboard would cover half of the page. */
export function focusField(field: RefObject<HTMLTextAreaElement | null>): void {
  if (matchMedia('(hover: hover)').matches) field.current?.focus();
}

export function Composer({
  field,
  busy,
  settings,
  onSettings,
  onSend,
  onStop,
}: ComposerProps): VNode {
  const t = useTexts();
  const [text, setText] = useState('');
  useEffect(() => focusField(field), []);
  const send = (): void => {
    if (busy || text.trim() === '') return;
    onSend(text.trim());
    setText('');
  };
  const stop = (): void => {
    onStop();
    // The focused stop button disappears, so move the focus to the field.
    focusField(field);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (event.key === 'Escape' && busy) onStop();
    // Enter must not send while an input method (Chinese, Japanese) is composing: it confirms a word.
    if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
    event.preventDefault();
    send();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <SettingsForm settings={settings} onSettings={onSettings} />
      <div class="composer-row">
        <textarea
          ref={field}
          aria-label={t.question}
          placeholder={t.questionHint}
          rows={Math.min(8, text.split('\n').length)}
          dir="auto"
          value={text}
          onInput={(event) => setText(event.currentTarget.value)}
          onKeyDown={onKeyDown}
        />
        {busy ? (
          <button type="button" class="primary stop" onClick={stop}>
            {t.stop}
          </button>
        ) : (
          <button type="submit" class="primary" disabled={text.trim() === ''}>
            {t.send}
          </button>
        )}
      </div>
    </form>
  );
}
