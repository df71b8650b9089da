/** The endpoints of the console. Used by app.ts. */
import type { Endpoint } from '../../api/endpoint.ts';
import { createAlertHistory } from './alert-history.ts';
import { createAlertList, type AlertListDeps } from './alerts.ts';
import { createPanel, createPanelList } from './panels.ts';
import { createRuleList } from './rules.ts';
import { createRunbook, readRunbooks } from './runbooks.ts';
import { createSharedReads } from './shared-reads.ts';
import { createSilence, createSilenceEnd, type SilenceDeps } from './silences.ts';
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
    createRuleList(deps.peers, runbooks, share),
    createAlertHistory(deps, share),
    createSilence(deps, share),
    createSilenceEnd(deps, share),
    createRunbook(runbooks),
  ];
}
