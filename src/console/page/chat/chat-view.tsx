/** The chat: the list of conversations, the messages with the composer, and panels beside them on a wide screen. */
import type { VNode } from 'preact';
import { useLayoutEffect, useRef, useState } from 'preact/hooks';
import type { PanelList, Status } from '../../server/answers.ts';
import { CopyButton } from '../copy-button.tsx';
import { PanelCard } from '../live/panel-card.tsx';
import { usePolled } from '../polling.ts';
import { credentials } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';
import { Answer } from './answer.tsx';
import { Composer, focusField } from './composer.tsx';
import { ConversationList } from './conversation-list.tsx';
import {
  changeConversation,
  conversations,
  createConversation,
  defaultSettings,
  findConversation,
  titleOf,
  type ChatSettings,
  type Conversation,
} from './conversations.ts';
import { ask, retry, stop } from './running-answers.ts';

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
  useTitle((conversation && titleOf(conversation)) || t.views.chat);
  // A conversation is created with its first question; before, only its settings exist.
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
    // The focused button disappears, so move the focus.
    focusField(field);
  };
  return (
    <div class="chat">
      <ConversationList current={conversation?.id} />
      <main class="chat-main" id="content">
        {status?.model.demo === true && <DemoNotice />}
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
      <SidePanels />
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
  const list = useRef<HTMLDivElement>(null);
  // Scrolls to the end with each change, unless the reader has scrolled away from it.
  const isAtEnd = useRef(true);
  useLayoutEffect(() => {
    if (isAtEnd.current) list.current!.scrollTop = list.current!.scrollHeight;
  }, [turns]);
  const onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = list.current!;
    isAtEnd.current = scrollHeight - scrollTop - clientHeight < 80;
  };
  return (
    <div
      class="messages"
      ref={list}
      onScroll={onScroll}
      tabIndex={0}
      role="group"
      aria-label={t.messages}
    >
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
      <p class="visually-hidden" role="status">
        {busy ? t.answering : turns.length > 0 ? t.answered : ''}
      </p>
    </div>
  );
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

/** Notice about the demo model, with the command that downloads a real model. */
function DemoNotice(): VNode {
  const t = useTexts();
  const command = 'make model && make up';
  return (
    <aside class="notice" aria-label={t.demoTitle}>
      <p>
        <strong>{t.demoTitle}</strong> {t.demoHint}
      </p>
      <p>
        <code>{command}</code> <CopyButton text={command} />
      </p>
    </aside>
  );
}

const sidePanels = ['tokens', 'first-token', 'sequences'];

/** The panels beside the chat. On a narrow screen they are hidden, and hidden panels send no requests. */
function SidePanels(): VNode {
  const t = useTexts();
  const { value } = usePolled<PanelList>('/api/panels', 0);
  const panels = sidePanels.flatMap((id) => value?.panels.find((panel) => panel.id === id) ?? []);
  return (
    <aside class="side-panels" aria-label={t.sidePanels}>
      {panels.map((panel) => (
        <PanelCard key={panel.id} panel={panel} minutes={5} everySeconds={5} />
      ))}
    </aside>
  );
}
