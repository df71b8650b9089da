/** The conversations of this browser, newest first. Collapsed on a narrow screen. */
import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { conversations, removeConversation, titleOf } from './conversations.ts';

export function ConversationList({ current }: { current: string | undefined }): VNode {
  const t = useTexts();
  const all = useStore(conversations);
  const details = useRef<HTMLDetailsElement>(null);
  const newLink = useRef<HTMLAnchorElement>(null);
  const close = (): void => {
    if (matchMedia('(max-width: 52rem)').matches) details.current?.removeAttribute('open');
  };
  const remove = (id: string): void => {
    removeConversation(id);
    if (id === current) location.hash = linkTo('chat');
    // The focused button disappears, so move the focus.
    newLink.current?.focus();
  };
  const isWide = matchMedia('(min-width: 52.01rem)').matches;
  return (
    <nav class="conversations" aria-label={t.conversations}>
      <details open={isWide} ref={details}>
        <summary>{t.conversations}</summary>
        <a class="button" href={linkTo('chat')} onClick={close} ref={newLink}>
          + {t.newConversation}
        </a>
        <ul>
          {all.map((conversation) => (
            <li key={conversation.id}>
              <a
                href={linkTo('chat', conversation.id)}
                aria-current={conversation.id === current ? 'page' : undefined}
                onClick={close}
                dir="auto"
              >
                {titleOf(conversation) || t.newConversation}
              </a>
              <button
                type="button"
                class="quiet"
                aria-label={t.remove(titleOf(conversation))}
                onClick={() => remove(conversation.id)}
              >
                ×
              </button>
            </li>
          ))}
        </ul>
      </details>
    </nav>
  );
}
