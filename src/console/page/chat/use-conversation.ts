/** The conversation of the current route, loaded from the database, and whether its answer is being generated. */
import { useEffect, useState } from 'preact/hooks';
import { useStore } from '../store.ts';
import { openAnswer, type Conversation } from './conversations.ts';
import {
  findConversation,
  loadConversation,
  loaded,
  requestOfTrace,
} from './conversation-store.ts';
import { followAnswer } from './live-answers.ts';
import { isRunningHere } from './running-answers.ts';

export interface OpenConversation {
  conversation: Conversation | undefined;
  /** `gone`: there is none with this id in this browser. */
  state: 'new' | 'loading' | 'found' | 'gone';
  busy: 'no' | 'here' | 'elsewhere';
}

export function useConversation(id: string | undefined): OpenConversation {
  const all = useStore(loaded);
  useEffect(() => {
    if (id !== undefined) void loadConversation(id);
  }, [id]);
  const conversation = findConversation(id);
  const open = conversation && openAnswer(conversation);
  const isHere = open !== undefined && isRunningHere(open.id);
  useEffect(() => {
    if (conversation === undefined || open === undefined || isHere) return undefined;
    return followAnswer(conversation.id, open.id);
  }, [conversation?.id, open?.id, isHere]);
  return {
    conversation,
    state: stateOf(id, all),
    busy: open === undefined ? 'no' : isHere ? 'here' : 'elsewhere',
  };
}

function stateOf(
  id: string | undefined,
  all: ReadonlyMap<string, Conversation | null>,
): OpenConversation['state'] {
  if (id === undefined) return 'new';
  const found = all.get(id);
  if (found === undefined) return 'loading';
  return found === null ? 'gone' : 'found';
}

/** The request of a trace, once it is found among the conversations of this browser. */
export function useRequestOfTrace(traceId: string): Awaited<ReturnType<typeof requestOfTrace>> {
  const [found, setFound] = useState<Awaited<ReturnType<typeof requestOfTrace>>>();
  useEffect(() => {
    let isOld = false;
    void requestOfTrace(traceId).then((request) => {
      if (!isOld) setFound(request);
    });
    return () => void (isOld = true);
  }, [traceId]);
  return found;
}
