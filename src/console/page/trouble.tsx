/** What went wrong with a question to the service, in the words of the person's language where there are any. */
import type { VNode } from 'preact';
import type { Failure } from './client.ts';
import { usePick, useTexts } from './texts/texts.ts';

export function Trouble({ failure }: { failure: Failure | undefined }): VNode | null {
  const say = useFailureText();
  if (failure === undefined) return null;
  return (
    <p class="trouble" role="alert">
      {say(failure)}
    </p>
  );
}

/** The page's own sentence for what it knows, else the service's. */
export function useFailureText(): (failure: Failure) => string {
  const t = useTexts();
  const pick = usePick();
  return ({ code, message, messageZh }) =>
    t.failures[code] ?? pick({ en: message, zh: messageZh ?? message });
}
