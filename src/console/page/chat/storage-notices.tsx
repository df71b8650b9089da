/** What the user should know about the storage of conversations, and their export and import. */
import type { VNode } from 'preact';
import { useRef, useState } from 'preact/hooks';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import {
  addConversations,
  maxCharacters,
  opening,
  removed,
  storage,
  storedCharacters,
  summaries,
  undoRemove,
  unsaved,
} from './conversation-store.ts';
import { summarize } from './conversations.ts';
import { download, parseFile, toFile } from './transfer.ts';

/** Above this share of the bound there is a warning. */
const warningShare = 0.8;

export function StorageNotices({ current }: { current: string | undefined }): VNode {
  const t = useTexts();
  const state = useStore(storage);
  const notStored = useStore(unsaved);
  useStore(summaries);
  const share = storedCharacters() / maxCharacters;
  return (
    <>
      {state === 'none' && (
        <p class="notice" role="alert">
          {t.storageOff}
        </p>
      )}
      {notStored.size > 0 ? (
        <p class="notice" role="alert">
          {current !== undefined && notStored.has(current) ? t.notStored : t.othersNotStored}
        </p>
      ) : (
        share >= warningShare && (
          <p class="notice" role="status">
            {t.storageNearlyFull(Math.floor(share * 100))}
          </p>
        )
      )}
    </>
  );
}

/** Stays until it is used or closed, so nobody has to be quick. */
export function Removed(): VNode | null {
  const t = useTexts();
  const conversation = useStore(removed);
  if (conversation === undefined) return null;
  const undo = (): void => {
    undoRemove();
    location.hash = linkTo('chat', conversation.id);
  };
  return (
    <div class="notice removed" role="status">
      <span dir="auto">{t.removed(summarize(conversation).title)}</span>
      <span class="actions">
        <button type="button" class="small" onClick={undo}>
          {t.undo}
        </button>
        <button
          type="button"
          class="small quiet"
          aria-label={t.dismiss}
          onClick={() => removed.set(undefined)}
        >
          ×
        </button>
      </span>
    </div>
  );
}

async function exportAll(): Promise<void> {
  const conversations = (await (await opening)?.readAll()) ?? [];
  const day = new Date().toISOString().slice(0, 10);
  download(toFile(conversations), `llamascope-conversations-${day}.json`);
}

export function Transfer({ isEmpty }: { isEmpty: boolean }): VNode {
  const t = useTexts();
  const file = useRef<HTMLInputElement>(null);
  const [result, setResult] = useState('');
  const importFile = async (): Promise<void> => {
    const chosen = file.current?.files?.[0];
    if (chosen === undefined) return;
    const conversations = parseFile(await chosen.text());
    // The same file can be chosen again.
    file.current!.value = '';
    if (conversations === undefined) {
      setResult(t.noExport);
      return;
    }
    const added = await addConversations(conversations);
    setResult(added === undefined ? t.importTooLarge : t.imported(added, conversations.length));
  };
  return (
    <div class="transfer">
      {!isEmpty && (
        <button type="button" class="small quiet" onClick={() => void exportAll()}>
          {t.exportAll}
        </button>
      )}
      <button type="button" class="small quiet" onClick={() => file.current!.click()}>
        {t.importFile}
      </button>
      <input
        type="file"
        accept="application/json,.json"
        hidden
        ref={file}
        aria-label={t.importFile}
        onChange={() => void importFile()}
      />
      <p class="hint" role="status">
        {result}
      </p>
    </div>
  );
}
