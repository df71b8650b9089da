/** Panels beside the chat on a wide screen, which show the effect of an answer on the service. */
import type { VNode } from 'preact';
import type { PanelList } from '../../server/answers.ts';
import { PanelCard } from '../live/panel-card.tsx';
import { usePolled } from '../polling.ts';
import { useTexts } from '../texts/texts.ts';

const panelIds = ['tokens', 'first-token', 'sequences'];
const minutes = 5;
const everySeconds = 5;

/** Hidden panels request nothing, so a narrow screen costs one request. */
export function SidePanels(): VNode {
  const t = useTexts();
  const { value } = usePolled<PanelList>('/api/panels', 0);
  const panels = panelIds.flatMap((id) => value?.panels.find((panel) => panel.id === id) ?? []);
  return (
    <aside class="side-panels" aria-label={t.sidePanels}>
      {panels.map((panel) => (
        <PanelCard key={panel.id} panel={panel} minutes={minutes} everySeconds={everySeconds} />
      ))}
    </aside>
  );
}
