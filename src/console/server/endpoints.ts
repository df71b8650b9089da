/** The endpoints of the console. Used by app.ts. */
import type { Endpoint } from '../../api/endpoint.ts';
import { createAlertList, type AlertListDeps } from './alerts.ts';
import { createPanel, createPanelList } from './panels.ts';
import { createRunbook, readRunbooks } from './runbooks.ts';
import { createSharedReads } from './shared-reads.ts';
import { createSilence, type SilenceDeps } from './silences.ts';
import { createStatus, type StatusDeps } from './status.ts';

/** Several pages that poll within this time cost one request to Prometheus or Alertmanager. */
const shareMillis = 1000;

export function createConsoleEndpoints(deps: StatusDeps & AlertListDeps & SilenceDeps): Endpoint[] {
  const runbooks = readRunbooks();
  const share = createSharedReads({ shareMillis });
  return [
    createStatus(deps),
    createPanelList(),
    createPanel(deps.peers.prometheus, share),
    createAlertList(deps, runbooks, share),
    createSilence(deps, share),
    createRunbook(runbooks),
  ];
}
