/** One alert with its description, runbook and silence form. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { Alert } from '../../server/answers.ts';
import { formatTime } from '../format.ts';
import { usePick, useTexts } from '../texts/texts.ts';
import { Runbook } from './runbook.tsx';
import { SilenceForm } from './silence-form.tsx';

type Section = 'runbook' | 'silence' | undefined;

export function AlertCard({ alert, onChange }: { alert: Alert; onChange: () => void }): VNode {
  const t = useTexts();
  const pick = usePick();
  const [open, setOpen] = useState<Section>();
  const toggle = (section: Section) => () => setOpen(open === section ? undefined : section);
  const { name, severity, state, runbook, dashboardUrl } = alert;
  return (
    <li class={`alert card padded ${state} ${severity}`} data-alert={name}>
      <header>
        <h2>{name}</h2>
        <span class={`chip ${state}`}>{t.alertStates[state]}</span>
        <span class="chip">{t.severities[severity] ?? severity}</span>
        <span class="muted">{t.since(formatTime(new Date(alert.startsAt).getTime()))}</span>
      </header>
      <p>
        <strong>{pick(alert.summary)}</strong>
      </p>
      <p>{pick(alert.description)}</p>
      {alert.silences.map(({ createdBy, reason, endsAt }) => (
        <p key={endsAt} class="muted">
          {t.silencedUntil(formatTime(new Date(endsAt).getTime()), createdBy)}{' '}
          <q dir="auto">{reason}</q>
        </p>
      ))}
      <div class="actions">
        {runbook !== undefined && (
          <button
            type="button"
            class="small"
            aria-expanded={open === 'runbook'}
            onClick={toggle('runbook')}
          >
            {t.runbook}
          </button>
        )}
        {state === 'firing' && (
          <button
            type="button"
            class="small"
            aria-expanded={open === 'silence'}
            onClick={toggle('silence')}
          >
            {t.silence}
          </button>
        )}
        {dashboardUrl !== undefined && (
          <a class="button small" href={dashboardUrl} target="_blank" rel="noopener noreferrer">
            {t.openGraph}
          </a>
        )}
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
