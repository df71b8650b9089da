/** The endpoints of the console. Used by app.ts. */
import type { Endpoint } from '../../api/endpoint.ts';
import { createAlertHistory } from './alert-history.ts';
import { createAlertList, type AlertListDeps } from './alerts.ts';
import { createPanelEndpoints } from './panels.ts';
import { createRuleList } from './rules.ts';
import { createRunbook, readRunbooks } from './runbooks.ts';
import { createSharedReads } from './shared-reads.ts';
import { createSilence, createSilenceEnd, type SilenceDeps } from './silences.ts';

/** Several pages that poll within this time cost one request to Prometheus or Alertmanager. */
const shareMillis = 1000;

/** @param options `hasEngine`: whether there are metrics of an engine of ours */
export function createConsoleEndpoints(
  deps: AlertListDeps & SilenceDeps,
  { status, hasEngine }: { status: Endpoint; hasEngine: boolean },
): Endpoint[] {
  const runbooks = readRunbooks();
  const share = createSharedReads({ shareMillis });
  return [
    status,
    ...createPanelEndpoints(deps.peers.prometheus, share, { hasEngine }),
    createAlertList(deps, runbooks, share),
    createRuleList(deps.peers, runbooks, share),
    createAlertHistory(deps, share),
    createSilence(deps, share),
    createSilenceEnd(deps, share),
    createRunbook(runbooks),
  ];
}
