/** A button that copies a text and confirms it for a moment, and a block of code with that button. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { useTexts } from './texts/texts.ts';

const shownMillis = 1600;

export function CopyButton({ text, label }: { text: string; label?: string }): VNode {
  const t = useTexts();
  const [copied, setCopied] = useState(false);
  useEffect(() => {
    if (!copied) return undefined;
    const timer = setTimeout(() => setCopied(false), shownMillis);
    return () => clearTimeout(timer);
  }, [copied]);
  const copy = async (): Promise<void> => {
    // Browsers offer the clipboard API only over HTTPS and on localhost.
    const done = (navigator.clipboard as Clipboard | undefined)?.writeText(text).then(
      () => true,
      () => false,
    );
    setCopied((await done) ?? copySelected(text));
  };
  return (
    <button type="button" class="small" onClick={() => void copy()} aria-live="polite">
      {copied ? t.copied : (label ?? t.copy)}
    </button>
  );
}

export function CodeBlock({
  text,
  language,
}: {
  text: string;
  language?: string | undefined;
}): VNode {
  return (
    <div class="code" dir="ltr">
      <div class="code-head">
        <span>{language}</span>
        <CopyButton text={text} />
      </div>
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
    </div>
  );
}

/** Copies with execCommand, which needs a selected text field. */
function copySelected(text: string): boolean {
  const field = document.createElement('textarea');
  field.className = 'visually-hidden';
  field.value = text;
  document.body.append(field);
  field.select();
  // oxlint-disable-next-line typescript/no-deprecated -- the only way without HTTPS
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
