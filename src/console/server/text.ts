/** What a person reads on the console, in both languages. Used by the console's endpoints. */
import { z } from 'zod';
import { ChatError, type ChatErrorCode } from '../../errors.ts';

export const Text = z.object({ en: z.string(), zh: z.string() });
export type Text = z.infer<typeof Text>;

export function createConsoleError(code: ChatErrorCode, text: Text): ChatError {
  return new ChatError(code, text.en, { zh: text.zh });
}

/** An error as the page shows it beside what it could not have. */
export function toText(error: ChatError): Text {
  return { en: error.message, zh: error.zh ?? error.message };
}
