/** Beside the chat, on a wide screen: the panels in which a person sees what an answer of theirs does to the service. */
import type { VNode } from 'preact';
import type { PanelList } from '../../server/answers.ts';
import { PanelCard } from '../live/panel-card.tsx';
import { usePolled } from '../polling.ts';
import { useTexts } from '../texts/texts.ts';

const shown = ['tokens', 'first-token', 'sequences'];
const minutes = 5;
const everySeconds = 5;

/** Panels out of sight ask nothing, so on a narrow screen this costs one question. */
export function Beside(): VNode {
  const t = useTexts();
  const { value } = usePolled<PanelList>('/api/panels', 0);
  const panels = shown.flatMap((id) => value?.panels.find((panel) => panel.id === id) ?? []);
  return (
    <aside class="beside" aria-label={t.beside}>
      {panels.map((panel) => (
        <PanelCard key={panel.id} panel={panel} minutes={minutes} everySeconds={everySeconds} />
      ))}
    </aside>
  );
}
