/** The chat: the list of conversations, the messages with the composer, and panels beside them on a wide screen. */
import type { VNode } from 'preact';
import { useRef } from 'preact/hooks';
import type { PanelList, Status } from '../../server/answers.ts';
import { CopyButton } from '../copy-button.tsx';
import { PanelCard } from '../live/panel-card.tsx';
import { usePolled } from '../polling.ts';
import { credentials } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';
import { Composer, focusField } from './composer.tsx';
import { ConversationList } from './conversation-list.tsx';
import { changeConversation, createConversation, removed } from './conversation-store.ts';
import { defaultSettings, summarize, type ChatSettings } from './conversations.ts';
import { drafts, newDraft, setDraft } from './drafts.ts';
import { Messages } from './messages.tsx';
import { ask, retry, stop } from './running-answers.ts';
import { StorageNotices } from './storage-notices.tsx';
import { useConversation } from './use-conversation.ts';

export function ChatView({
  id,
  status,
}: {
  id: string | undefined;
  status: Status | undefined;
}): VNode {
  const t = useTexts();
  const keys = useStore(credentials);
  const { conversation, state, busy } = useConversation(id);
  useTitle((conversation && summarize(conversation).title) || t.views.chat);
  const draftId = conversation?.id ?? newDraft;
  const draft = useStore(drafts).get(draftId) ?? { id: draftId, text: '' };
  // A conversation is created with its first question; before, its settings belong to the draft.
  const settings = conversation?.settings ?? draft.settings ?? defaultSettings;
  const field = useRef<HTMLTextAreaElement>(null);

  const send = (text: string): void => {
    const target = conversation ?? createConversation(settings);
    removed.set(undefined);
    ask(target.id, text);
    setDraft({ id: draftId, text: '' });
    if (conversation === undefined) location.hash = linkTo('chat', target.id);
  };
  const change = (next: ChatSettings): void => {
    if (conversation === undefined) setDraft({ ...draft, settings: next });
    else changeConversation(conversation.id, (before) => ({ ...before, settings: next }));
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
        <StorageNotices current={conversation?.id} />
        {state === 'gone' && <p class="notice">{t.conversationGone}</p>}
        {conversation !== undefined && (
          <Messages key={conversation.id} turns={conversation.turns} busy={busy} onRetry={again} />
        )}
        {state === 'loading' && <div class="messages" />}
        {(state === 'new' || state === 'gone') && <Welcome onAsk={send} />}
        {state !== 'loading' && (
          <Composer
            key={draftId}
            field={field}
            busy={busy !== 'no'}
            text={draft.text}
            onText={(text) => setDraft({ ...draft, text })}
            settings={settings}
            onSettings={change}
            contextTokens={status?.contextTokens}
            onSend={send}
            onStop={() => conversation !== undefined && stop(conversation.id)}
          />
        )}
      </main>
      <SidePanels />
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
