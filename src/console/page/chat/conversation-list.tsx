/** The conversations of this browser, newest first: search, rename, delete with undo, export and import. Collapsed on a narrow screen. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { ConversationRow } from './conversation-row.tsx';
import { opening, summaries } from './conversation-store.ts';
import type { Summary } from './conversations.ts';
import { stopAndRemove } from './running-answers.ts';
import { Removed, Transfer } from './storage-notices.tsx';

export function ConversationList({ current }: { current: string | undefined }): VNode {
  const t = useTexts();
  const details = useRef<HTMLDetailsElement>(null);
  const newLink = useRef<HTMLAnchorElement>(null);
  const [search, setSearch] = useState('');
  const found = useFound(search);
  const isEmpty = useStore(summaries).length === 0;
  const close = (): void => {
    if (matchMedia('(max-width: 52rem)').matches) details.current?.removeAttribute('open');
  };
  const remove = (id: string): void => {
    void stopAndRemove(id);
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
        <Removed />
        {!isEmpty && (
          <input
            type="search"
            aria-label={t.searchConversations}
            placeholder={t.searchConversations}
            value={search}
            onInput={(event) => setSearch(event.currentTarget.value)}
          />
        )}
        <ul>
          {found.map((summary) => (
            <ConversationRow
              key={summary.id}
              summary={summary}
              isCurrent={summary.id === current}
              onOpen={close}
              onRemove={() => remove(summary.id)}
            />
          ))}
        </ul>
        {!isEmpty && found.length === 0 && <p class="hint">{t.nothingFound}</p>}
        <Transfer isEmpty={isEmpty} />
      </details>
    </nav>
  );
}

const typingMillis = 200;

/** Those whose title has the text, at once; those whose messages have it, as soon as they are read. */
function useFound(search: string): readonly Summary[] {
  const all = useStore(summaries);
  const wanted = search.trim().toLowerCase();
  const [inMessages, setInMessages] = useState<ReadonlySet<string>>(new Set());
  useEffect(() => {
    if (wanted === '') return undefined;
    let isOld = false;
    const find = async (): Promise<void> => {
      const conversations = (await (await opening)?.readAll()) ?? [];
      const hits = conversations.filter(({ turns }) =>
        turns.some(({ text }) => text.toLowerCase().includes(wanted)),
      );
      if (!isOld) setInMessages(new Set(hits.map(({ id }) => id)));
    };
    const timer = setTimeout(() => void find(), typingMillis);
    return () => {
      isOld = true;
      clearTimeout(timer);
      setInMessages(new Set());
    };
  }, [wanted]);
  if (wanted === '') return all;
  return all.filter(({ id, title }) => title.toLowerCase().includes(wanted) || inMessages.has(id));
}
