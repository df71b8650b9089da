/** One alert with its description, runbook and silence form. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Alert } from '../../server/answers.ts';
import { formatTime } from '../format.ts';
import { ProgramLink } from '../program-link.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { Runbook } from './runbook.tsx';
import { Silence } from './silence.tsx';
import { SilenceForm } from './silence-form.tsx';

interface AlertCardProps {
  alert: Alert;
  /** No rule of Prometheus has its name. */
  isForeign: boolean;
  onChange: () => void;
}

export function AlertCard({ alert, isForeign, onChange }: AlertCardProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const [open, setOpen] = useState<'runbook' | 'silence'>();
  const { name, severity, state, runbook, dashboardUrl } = alert;
  const sections = [
    ...(runbook === undefined ? [] : ['runbook' as const]),
    ...(state === 'firing' ? ['silence' as const] : []),
  ];
  return (
    <li class={`alert card padded ${state} ${severity}`} data-alert={name}>
      <header>
        <h2>{name}</h2>
        <span class={`chip ${state}`}>{t.alertStates[state]}</span>
        <span class="chip">{t.severities[severity] ?? severity}</span>
        {isForeign && (
          <span class="chip" title={t.foreignHint}>
            {t.foreignAlert}
          </span>
        )}
        {!alert.notifies && <span class="chip">{t.notifiesNobody}</span>}
        <span class="muted">{t.since(formatTime(alert.startsAt))}</span>
      </header>
      <p>
        <strong>{pick(alert.summary)}</strong>
      </p>
      <p>{pick(alert.description)}</p>
      {alert.silences.map((silence) => (
        <Silence key={silence.id} silence={silence} onDone={onChange} />
      ))}
      <div class="actions">
        {sections.map((section) => (
          <button
            key={section}
            type="button"
            class="small"
            aria-expanded={open === section}
            onClick={() => setOpen(open === section ? undefined : section)}
          >
            {t[section]}
          </button>
        ))}
        <ProgramLink base={dashboardUrl}>{t.openGraph}</ProgramLink>
        <Labels labels={alert.labels} />
      </div>
      {open === 'runbook' && runbook !== undefined && <Runbook name={runbook} />}
      {open === 'silence' && (
        <SilenceForm
          fingerprint={alert.fingerprint}
          onDone={() => {
            setOpen(undefined);
            onChange();
          }}
        />
      )}
    </li>
  );
}

/** Labels that the card shows in its header. */
const shownElsewhere = new Set(['alertname', 'severity']);

function Labels({ labels }: { labels: Record<string, string> }): VNode {
  return (
    <span class="labels">
      {Object.entries(labels)
        .filter(([name]) => !shownElsewhere.has(name))
        .map(([name, value]) => (
          <code key={name}>
            {name}={value}
          </code>
        ))}
    </span>
  );
}
