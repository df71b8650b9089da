/** The turns of a conversation. The list follows a growing answer until the reader scrolls up. */
import type { VNode } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { useTexts } from '../texts/texts.ts';
import { Answer } from './answer.tsx';
import type { Conversation } from './conversations.ts';
import type { OpenConversation } from './use-conversation.ts';

interface MessagesProps {
  turns: Conversation['turns'];
  busy: OpenConversation['busy'];
  onRetry: () => void;
}

export function Messages({ turns, busy, onRetry }: MessagesProps): VNode {
  const t = useTexts();
  const { list, content, onScroll, onMoveUp } = useFollowing(turns, busy !== 'no');
  return (
    <div
      class="messages"
      ref={list}
      onScroll={onScroll}
      onWheel={({ deltaY }) => deltaY < 0 && onMoveUp()}
      onKeyDown={({ key }) => ['ArrowUp', 'PageUp', 'Home'].includes(key) && onMoveUp()}
      tabIndex={0}
      role="group"
      aria-label={t.messages}
    >
      <div ref={content}>
        {turns.map((turn, index) =>
          turn.role === 'user' ? (
            <article key={turn.id} class="turn user" aria-label={t.you}>
              <p dir="auto">{turn.text}</p>
            </article>
          ) : (
            <Answer
              key={turn.id}
              turn={turn}
              isElsewhere={turn.state === 'streaming' && busy === 'elsewhere'}
              onRetry={index === turns.length - 1 && busy === 'no' ? onRetry : undefined}
            />
          ),
        )}
      </div>
      <p class="visually-hidden" role="status">
        {busy !== 'no' ? t.answering : turns.length > 0 ? t.answered : ''}
      </p>
    </div>
  );
}

/**
 * Keeps the end of the list in view while it grows. Any move up ends that; the way back to the end, or a new question, begins it
 * again.
 */
function useFollowing(turns: Conversation['turns'], isGrowing: boolean) {
  const lastQuestion = turns.findLast(({ role }) => role === 'user')?.id;
  const list = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const isFollowing = useRef(true);
  const lastTop = useRef(0);
  const onScroll = (): void => {
    const { scrollHeight, scrollTop, clientHeight } = list.current!;
    const isAtEnd = scrollHeight - scrollTop - clientHeight <= 1;
    // A list that becomes shorter moves up by itself, but stays at its end.
    if (scrollTop < lastTop.current && !isAtEnd) isFollowing.current = false;
    if (scrollTop > lastTop.current && isAtEnd) isFollowing.current = true;
    lastTop.current = scrollTop;
  };
  const follow = (): void => {
    // The reader may have scrolled since the last event.
    onScroll();
    if (!isFollowing.current) return;
    list.current!.scrollTop = list.current!.scrollHeight;
    lastTop.current = list.current!.scrollTop;
  };
  useLayoutEffect(() => {
    isFollowing.current = true;
    follow();
  }, [lastQuestion]);
  useLayoutEffect(follow, [turns]);
  // Text streams into one answer without a render of this list. Other growth, such as a waterfall, keeps its place.
  useLayoutEffect(() => {
    const observer = new ResizeObserver(follow);
    observer.observe(list.current!);
    if (isGrowing) observer.observe(content.current!);
    return () => observer.disconnect();
  }, [isGrowing]);
  const onMoveUp = (): void => {
    if (list.current!.scrollTop > 0) isFollowing.current = false;
  };
  return { list, content, onScroll, onMoveUp };
}
