/** The console's part of the API, over the runbooks that it reads once at the start. Listed by app.ts. */
import type { ApiDeps, Endpoint } from '../../api/endpoint.ts';
import { createAlertList } from './alerts.ts';
import { createPanelList } from './panel-list.ts';
import { createPanel } from './panel.ts';
import { createRunbook, readRunbooks } from './runbooks.ts';
import { createSharedReads } from './shared-reads.ts';
import { createSilence } from './silences.ts';
import { createStatus } from './status.ts';

/** Below what anybody sees as old, above what several pages ask within. */
const shareMillis = 1000;

export function createConsoleEndpoints(deps: ApiDeps): Endpoint[] {
  const runbooks = readRunbooks();
  const share = createSharedReads({ shareMillis });
  return [
    createStatus(deps),
    createPanelList(),
    createPanel(deps.console.peers.prometheus, share),
    createAlertList(deps, runbooks, share),
    createSilence(deps, share),
    createRunbook(runbooks),
  ];
}
