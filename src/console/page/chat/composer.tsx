/** The input field: Enter sends, Shift+Enter breaks the line, Escape stops the answer. Its text is kept as a draft. */
import type { RefObject, VNode } from 'preact';
import { useEffect } from 'preact/hooks';
import { useTexts } from '../texts/texts.ts';
import type { ChatSettings } from './conversations.ts';
import { isComposing } from './composing.ts';
import { SettingsForm } from './settings-form.tsx';

interface ComposerProps {
  field: RefObject<HTMLTextAreaElement | null>;
  busy: boolean;
  text: string;
  onText: (next: string) => void;
  settings: ChatSettings;
  onSettings: (next: ChatSettings) => void;
  /** Undefined before the service has told. */
  contextTokens: number | undefined;
  onSend: (text: string) => void;
  onStop: () => void;
}

/** Focuses the input field, except on touch screens, where the keyboard would cover half of the page. */
export function focusField(field: RefObject<HTMLTextAreaElement | null>): void {
  if (matchMedia('(hover: hover)').matches) field.current?.focus();
}

export function Composer(props: ComposerProps): VNode {
  const { field, busy, text, onText, settings, onSettings, contextTokens, onSend, onStop } = props;
  const t = useTexts();
  useEffect(() => focusField(field), []);
  const send = (): void => {
    if (!busy && text.trim() !== '') onSend(text.trim());
  };
  const stop = (): void => {
    onStop();
    // The focused stop button disappears, so move the focus to the field.
    focusField(field);
  };
  const onKeyDown = (event: KeyboardEvent): void => {
    if (isComposing(event)) return;
    if (event.key === 'Escape' && busy) onStop();
    if (event.key !== 'Enter' || event.shiftKey) return;
    event.preventDefault();
    send();
  };
  return (
    <div class="composer">
      {/* No part of the form: Enter in a setting must not send the question. */}
      <SettingsForm settings={settings} onSettings={onSettings} contextTokens={contextTokens} />
      <form
        class="composer-row"
        onSubmit={(event) => {
          event.preventDefault();
          send();
        }}
      >
        <textarea
          ref={field}
          aria-label={t.question}
          placeholder={t.questionHint}
          // For browsers without `field-sizing`.
          rows={Math.min(8, text.slice(0, 2000).split('\n').length + Math.floor(text.length / 90))}
          dir="auto"
          value={text}
          onInput={(event) => onText(event.currentTarget.value)}
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
      </form>
    </div>
  );
}
