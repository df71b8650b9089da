/** The active alerts, all rules with their values, and what happened within the last day. */
import type { VNode } from 'preact';
import type { Alert, AlertList, Missing, RuleList, Status } from '../../server/answers.ts';
import { formatTime } from '../format.ts';
import { usePolled, type Polled } from '../polling.ts';
import { ProgramLink } from '../program-link.tsx';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { withCode } from '../with-code.tsx';
import { AlertCard } from './alert-card.tsx';
import { History } from './history.tsx';
import { Rules } from './rules.tsx';

interface AlertsViewProps {
  alerts: Polled<AlertList>;
  status: Status | undefined;
}

/** Firing alerts first, then by severity. */
const stateOrder = ['firing', 'silenced', 'inhibited'];
const severityOrder = ['critical', 'page', 'error', 'warning', 'ticket', 'info', 'none'];

const ruleSeconds = 10;

export function AlertsView({ alerts: polled, status }: AlertsViewProps): VNode {
  const t = useTexts();
  const { value, reload } = polled;
  const rules = usePolled<RuleList>('/api/rules', ruleSeconds);
  const alerts = (value?.alerts ?? []).toSorted((a, b) => rank(a) - rank(b));
  const isQuiet = alerts.every(({ state }) => state !== 'firing');
  // Without Prometheus or Alertmanager, nothing firing means nothing.
  const isKnown = value?.missing.every(({ peer }) => peer === 'notifier') === true;
  const ruleList = rules.value;
  // Without the rules, it is unknown whose alert it is.
  const isForeign = (name: string): boolean =>
    ruleList?.reason === undefined && ruleList?.rules.some((rule) => rule.name === name) === false;
  const foreign = new Set(alerts.map(({ name }) => name).filter(isForeign));
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>{t.alerts}</h1>
        <ProgramLink base={status?.links.prometheus} path="/alerts">
          {t.openPrometheus}
        </ProgramLink>
        <ProgramLink base={status?.links.alertmanager}>{t.openAlertmanager}</ProgramLink>
      </header>
      <StaleNote polled={polled} />
      {value?.missing.map((missing) => (
        <MissingNotice key={missing.peer} missing={missing} />
      ))}
      {isKnown && !polled.isStale && isQuiet && <p class="all-well">{t.nothingFires}</p>}
      {value !== undefined && value.watchdogSeenAt !== null && (
        <p class="hint">
          {(value.missing.length === 0 ? t.watchdog : t.watchdogLast)(
            formatTime(value.watchdogSeenAt),
          )}
        </p>
      )}
      <ul class="alert-list">
        {alerts.map((alert) => (
          <AlertCard
            key={alert.fingerprint}
            alert={alert}
            isForeign={foreign.has(alert.name)}
            onChange={reload}
          />
        ))}
      </ul>
      <History rules={ruleList?.rules ?? []} />
      <Rules polled={rules} foreign={[...foreign]} />
    </main>
  );
}

/** What does not work without the program, and why it does not answer. */
function MissingNotice({ missing: { peer, isConfigured, reason } }: { missing: Missing }): VNode {
  const t = useTexts();
  const pick = usePick();
  return (
    <p class={isConfigured ? 'failure' : 'notice'} role="status">
      <strong>{t.missing[peer]}</strong> {withCode(pick(reason))}
    </p>
  );
}

function rank({ state, severity }: Alert): number {
  return indexIn(stateOrder, state) * 10 + indexIn(severityOrder, severity);
}

/** An unknown item comes last. */
function indexIn(list: readonly string[], item: string): number {
  return list.includes(item) ? list.indexOf(item) : list.length;
}
