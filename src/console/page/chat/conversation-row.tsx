/** One conversation in the list, with buttons that rename and delete it. */
import type { VNode } from 'preact';
import { useEffect, useRef, useState } from 'preact/hooks';
import { linkTo } from '../route.ts';
import { useTexts } from '../texts/texts.ts';
import { isComposing } from './composing.ts';
import { renameConversation } from './conversation-store.ts';
import type { Summary } from './conversations.ts';

interface ConversationRowProps {
  summary: Summary;
  isCurrent: boolean;
  onOpen: () => void;
  onRemove: () => void;
}

export function ConversationRow(props: ConversationRowProps): VNode {
  const { summary, isCurrent, onOpen, onRemove } = props;
  const { id, title } = summary;
  const t = useTexts();
  const [isRenaming, setRenaming] = useState(false);
  const button = useRef<HTMLButtonElement>(null);
  const wasRenaming = useRef(false);
  useEffect(() => {
    // The field disappears, so move the focus.
    if (wasRenaming.current && !isRenaming) button.current?.focus();
    wasRenaming.current = isRenaming;
  }, [isRenaming]);
  if (isRenaming) return <RenameForm summary={summary} onEnd={() => setRenaming(false)} />;
  return (
    <li>
      <a
        href={linkTo('chat', id)}
        aria-current={isCurrent ? 'page' : undefined}
        onClick={onOpen}
        dir="auto"
        title={title}
      >
        {title || t.newConversation}
      </a>
      <span class="row-actions">
        <button
          type="button"
          class="quiet"
          aria-label={t.rename(title)}
          title={t.rename(title)}
          ref={button}
          onClick={() => setRenaming(true)}
        >
          ✎
        </button>
        <button
          type="button"
          class="quiet"
          aria-label={t.remove(title)}
          title={t.remove(title)}
          onClick={onRemove}
        >
          ×
        </button>
      </span>
    </li>
  );
}

/** Enter and a click elsewhere store the title, Escape leaves it. An empty title brings the first question back. */
function RenameForm({ summary, onEnd }: { summary: Summary; onEnd: () => void }): VNode {
  const t = useTexts();
  const field = useRef<HTMLInputElement>(null);
  const isOver = useRef(false);
  useEffect(() => field.current!.select(), []);
  const end = (keep: boolean): void => {
    // The field loses the focus when it disappears.
    if (isOver.current) return;
    isOver.current = true;
    const title = field.current!.value.trim();
    if (keep && title !== summary.title) void renameConversation(summary.id, title);
    onEnd();
  };
  return (
    <li>
      <input
        ref={field}
        dir="auto"
        maxLength={80}
        aria-label={t.rename(summary.title)}
        defaultValue={summary.title}
        onBlur={() => end(true)}
        onKeyDown={(event) => {
          if (isComposing(event)) return;
          if (event.key === 'Enter' || event.key === 'Escape') end(event.key === 'Enter');
        }}
      />
    </li>
  );
}
