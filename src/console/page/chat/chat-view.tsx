/** The chat: conversations beside, messages in the middle, and below them what is asked next. */
import type { VNode } from 'preact';
import { useEffect, useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { Status } from '../../server/answers.ts';
import { credentials } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { Answer } from './answer.tsx';
import { ask, retry, stop } from './answering.ts';
import { Beside } from './beside.tsx';
import { Composer, focusField } from './composer.tsx';
import { ConversationList } from './conversation-list.tsx';
import {
  changeConversation,
  conversations,
  createConversation,
  defaultSettings,
  findConversation,
  type ChatSettings,
  type Conversation,
} from './conversations.ts';
import { DemoNotice } from './demo-notice.tsx';

export function ChatView({
  id,
  status,
}: {
  id: string | undefined;
  status: Status | undefined;
}): VNode {
  const t = useTexts();
  const keys = useStore(credentials);
  useStore(conversations);
  const conversation = findConversation(id);
  // Before its first question a conversation is only these.
  const [draft, setDraft] = useState<ChatSettings>(defaultSettings);
  const settings = conversation?.settings ?? draft;
  const field = useRef<HTMLTextAreaElement>(null);
  const last = conversation?.turns.at(-1);
  const busy = last?.role === 'assistant' && last.state === 'streaming';

  const send = (text: string): void => {
    const target = conversation ?? createConversation(draft);
    ask(target.id, text);
    if (conversation === undefined) location.hash = linkTo('chat', target.id);
  };
  const change = (next: ChatSettings): void => {
    if (conversation === undefined) setDraft(next);
    else changeConversation(conversation.id, () => ({ settings: next }));
  };
  const again = (): void => {
    if (conversation === undefined) return;
    retry(conversation.id);
    // The button goes, and the focus would go with it.
    focusField(field);
  };
  return (
    <div class="chat">
      <ConversationList current={conversation?.id} />
      <main class="chat-main" id="content">
        <DemoNotice model={status?.model} />
        {status?.needsKey === true && keys.apiKey === '' && <p class="notice">{t.needsKey}</p>}
        {conversation === undefined ? (
          <Welcome onAsk={send} />
        ) : (
          <Messages key={conversation.id} turns={conversation.turns} busy={busy} onRetry={again} />
        )}
        <Composer
          key={conversation?.id ?? 'new'}
          field={field}
          busy={busy}
          settings={settings}
          onSettings={change}
          onSend={send}
          onStop={() => conversation !== undefined && stop(conversation.id)}
        />
      </main>
      <Beside />
    </div>
  );
}

interface MessagesProps {
  turns: Conversation['turns'];
  busy: boolean;
  onRetry: () => void;
}

function Messages({ turns, busy, onRetry }: MessagesProps): VNode {
  const t = useTexts();
  const list = useFollowing(turns);
  return (
    <div class="messages" ref={list} tabIndex={0} role="group" aria-label={t.messages}>
      {turns.map((turn, index) =>
        turn.role === 'user' ? (
          <article key={index} class="turn user" aria-label={t.you}>
            <p dir="auto">{turn.text}</p>
          </article>
        ) : (
          <Answer
            key={index}
            turn={turn}
            onRetry={index === turns.length - 1 && !busy ? onRetry : undefined}
          />
        ),
      )}
      <p class="unseen" role="status">
        {busy ? t.answering : turns.length > 0 ? t.answered : ''}
      </p>
    </div>
  );
}

/** Keeps the end in sight while it grows, unless the person has scrolled away from it. */
function useFollowing(content: unknown): { current: HTMLDivElement | null } {
  const element = useRef<HTMLDivElement>(null);
  const following = useRef(true);
  useEffect(() => {
    const list = element.current;
    if (list === null) return undefined;
    const note = (): void => {
      following.current = list.scrollHeight - list.scrollTop - list.clientHeight < 80;
    };
    list.addEventListener('scroll', note, { passive: true });
    return () => list.removeEventListener('scroll', note);
  }, []);
  useLayoutEffect(() => {
    const list = element.current;
    if (list !== null && following.current) list.scrollTop = list.scrollHeight;
  }, [content]);
  return element;
}

function Welcome({ onAsk }: { onAsk: (text: string) => void }): VNode {
  const t = useTexts();
  return (
    <div class="welcome">
      <h1>{t.welcome}</h1>
      <p>{t.welcomeHint}</p>
      <ul>
        {t.suggestions.map((text) => (
          <li key={text}>
            <button type="button" onClick={() => onAsk(text)}>
              {text}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}
