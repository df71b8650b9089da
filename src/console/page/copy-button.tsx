/** Copies a text, and says for a moment that it did. */
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
    // Beyond loopback without TLS a browser has no clipboard for pages.
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

/** The old way, for which a text has to be selected. */
function copySelected(text: string): boolean {
  const field = document.createElement('textarea');
  field.className = 'unseen';
  field.value = text;
  document.body.append(field);
  field.select();
  // oxlint-disable-next-line typescript/no-deprecated -- there is no other way without TLS
  const done = document.execCommand('copy');
  field.remove();
  return done;
}
