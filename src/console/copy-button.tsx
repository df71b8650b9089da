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
    const done = await (navigator.clipboard as Clipboard | undefined)?.writeText(text).then(
      () => true,
      () => false,
    );
    setCopied(done ?? false);
  };
  return (
    <button type="button" class="small" onClick={() => void copy()} aria-live="polite">
      {copied ? t.copied : (label ?? t.copy)}
    </button>
  );
}
