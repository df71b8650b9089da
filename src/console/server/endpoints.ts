/** The endpoints of the console. Used by app.ts. */
import type { Endpoint } from '../../api/endpoint.ts';
import type { Peers } from '../../config.ts';
import { createAlertList, type AlertListDeps } from './alerts.ts';
import { createPanelList } from './panel-list.ts';
import { createPanel } from './panel.ts';
import { createRunbook, readRunbooks } from './runbooks.ts';
import { createSharedReads } from './shared-reads.ts';
import { createSilence, type SilenceDeps } from './silences.ts';
import { createStatus, type StatusDeps } from './status.ts';

/** Several pages that poll within this time cost one request to Prometheus or Alertmanager. */
const shareMillis = 1000;

type ConsoleDeps = StatusDeps & AlertListDeps & SilenceDeps & { peers: Peers };

export function createConsoleEndpoints(deps: ConsoleDeps): Endpoint[] {
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
