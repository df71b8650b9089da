/** What went wrong with a question to the service, in the words of the person's language where there are any. */
import type { VNode } from 'preact';
import type { Failure } from './client.ts';
import { useTexts } from './texts/texts.ts';

export function Trouble({ failure }: { failure: Failure | undefined }): VNode | null {
  const t = useTexts();
  if (failure === undefined) return null;
  return (
    <p class="trouble" role="alert">
      {t.failures[failure.code] ?? failure.message}
    </p>
  );
}
