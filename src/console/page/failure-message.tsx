/** The failure of a request, as a sentence in the language of the page. */
import type { VNode } from 'preact';
import type { Failure } from './client.ts';
import { usePick, useTexts } from './texts/texts.ts';

export function FailureMessage({ failure }: { failure: Failure | undefined }): VNode | null {
  const failureText = useFailureText();
  if (failure === undefined) return null;
  return (
    <p class="failure" role="alert">
      {failureText(failure)}
    </p>
  );
}

/** The page's text for the error code, else the message of the service; in Chinese with the kind of error where the message is English. */
export function useFailureText(): (failure: Failure) => string {
  const t = useTexts();
  const pick = usePick();
  return ({ code, message, messageZh }) => {
    const kind = t.endings[code];
    const zh = messageZh ?? (kind === undefined ? message : `${kind}（${message}）`);
    return t.failures[code] ?? pick({ en: message, zh });
  };
}
