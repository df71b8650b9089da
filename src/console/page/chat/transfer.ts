/** Conversations as a file: written by Export, read by Import. */
import { parseConversation, type Conversation } from './conversations.ts';

const format = 'llamascope-conversations';

export function toFile(conversations: readonly Conversation[]): Blob {
  const content = { format, version: 1, conversations };
  return new Blob([JSON.stringify(content, undefined, 1)], { type: 'application/json' });
}

/** Undefined if the text is no export, or any conversation in it is damaged. */
export function parseFile(text: string): Conversation[] | undefined {
  let content: unknown;
  try {
    content = JSON.parse(text);
  } catch {
    return undefined;
  }
  const { format: found, conversations } = (content ?? {}) as Record<string, unknown>;
  if (found !== format || !Array.isArray(conversations)) return undefined;
  const parsed = conversations.map(parseConversation);
  return parsed.every((each) => each !== undefined) ? parsed : undefined;
}

/** Lets the browser save a file. */
export function download(content: Blob, name: string): void {
  const link = document.createElement('a');
  link.href = URL.createObjectURL(content);
  link.download = name;
  link.click();
  // The browser has taken the content over by the next task.
  setTimeout(() => URL.revokeObjectURL(link.href));
}
