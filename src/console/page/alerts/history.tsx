/** What fired and resolved within the last day, and who was notified of it, in one list. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import type { AlertHistory, AlertingRule, Delivery, Episode } from '../../server/answers.ts';
import { Choices } from '../choices.tsx';
import { formatSeconds, formatTime } from '../format.ts';
import { usePolled } from '../polling.ts';
import type { HistoryCounts } from '../texts/en-alerts.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { fillLabels } from './fill-labels.ts';

const periodHours = { day: 24, week: 168 };
type Period = keyof typeof periodHours;
const everySeconds = 20;

/** The channel of a notifier without robots: it stores messages and sends them to nobody. */
const inbox = 'inbox';

/** @param rules for the summaries of alerts that notified nobody */
export function History({ rules }: { rules: readonly AlertingRule[] }): VNode {
  const t = useTexts();
  const [period, setPeriod] = useState<Period>('day');
  const path = `/api/alert-history?hours=${periodHours[period]}`;
  const polled = usePolled<AlertHistory>(path, everySeconds);
  const { value } = polled;
  const episodes = value?.episodes ?? [];
  const counts = countAll(episodes);
  const isUnknown = value?.missing.some(({ peer }) => peer === 'notifier') === true;
  const isComplete = value?.missing.length === 0;
  return (
    <section>
      <header class="page-head">
        <h2>{t.history}</h2>
        <Choices label={t.period} texts={t.historyPeriods} value={period} onChoose={setPeriod} />
      </header>
      <StaleNote polled={polled} />
      {episodes.length > 0 && (
        <p class="hint">
          {t.historySum(counts)} {!isUnknown && t.deliverySum(counts)}
        </p>
      )}
      {value !== undefined && episodes.length === 0 && (
        <p class="empty">{isComplete ? t.noHistory : t.unknownHistory}</p>
      )}
      <ol class="episode-list card">
        {episodes.map((episode) => (
          <EpisodeRow
            key={`${episode.name} ${episode.firedAt} ${JSON.stringify(episode.labels)}`}
            episode={episode}
            rules={rules}
            isUnknown={isUnknown}
          />
        ))}
      </ol>
    </section>
  );
}

function countAll(episodes: readonly Episode[]): HistoryCounts {
  const deliveries = episodes
    .flatMap((episode) => episode.deliveries)
    .filter(({ channel }) => channel !== inbox);
  const count = (state: Delivery['state']) =>
    deliveries.filter((delivery) => delivery.state === state).length;
  return {
    fired: episodes.length,
    firing: episodes.filter(({ isFiring }) => isFiring).length,
    delivered: count('delivered'),
    failed: count('dead'),
  };
}

interface EpisodeRowProps {
  episode: Episode;
  rules: readonly AlertingRule[];
  /** The notifier does not answer. */
  isUnknown: boolean;
}

function EpisodeRow({ episode, rules, isUnknown }: EpisodeRowProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const { name, labels, severity, firedAt, resolvedAt, isFiring, deliveries } = episode;
  const rule = rules.find((candidate) => candidate.name === name);
  const summary = pick(episode.summary) || (rule === undefined ? '' : pick(rule.summary));
  const seconds = (Date.parse(resolvedAt ?? '') - Date.parse(firedAt)) / 1000;
  return (
    <li data-episode={name}>
      <p class="episode">
        <time>{formatTime(firedAt)}</time>
        <span class={`chip ${isFiring ? 'firing' : resolvedAt === null ? '' : 'delivered'}`}>
          {isFiring
            ? t.stillFiring
            : resolvedAt === null
              ? t.endUnknown
              : t.resolvedAfter(formatSeconds(seconds), formatTime(resolvedAt))}
        </span>
        <span class="episode-name" dir="auto">
          <b>{name}</b> {fillLabels(summary, labels)}
        </span>
        <span class="chip">{t.severities[severity] ?? severity}</span>
        <code class="muted">{labels['instance'] ?? labels['channel'] ?? labels['job']}</code>
      </p>
      <ul class="deliveries">
        {deliveries.map((delivery) => (
          <DeliveryRow key={`${delivery.id} ${delivery.about}`} delivery={delivery} />
        ))}
        {deliveries.length === 0 && (
          <li class="muted">{isUnknown ? t.unknownNotified : t.nobodyNotified}</li>
        )}
      </ul>
    </li>
  );
}

function DeliveryRow({ delivery }: { delivery: Delivery }): VNode {
  const t = useTexts();
  const { about, channel, state, at, attempts, lastReason, lastDetail } = delivery;
  const reason = lastReason === null ? null : (t.reasons[lastReason] ?? lastReason);
  const isStored = channel === inbox && state === 'delivered';
  return (
    <li>
      <span class="muted">{t.about[about]}</span>{' '}
      <span class={`chip ${isStored ? 'pending' : state}`}>
        {isStored ? t.inboxOnly : `${channel} · ${t.deliveries[state]}`}
      </span>{' '}
      <time class="muted">{formatTime(at)}</time>{' '}
      {attempts > 1 && <span class="muted">{t.attempts(attempts)}</span>}
      {state !== 'delivered' && reason !== null && (
        <span class="last-reason" dir="auto">
          {lastDetail === null ? reason : t.because(reason, lastDetail)}
        </span>
      )}
    </li>
  );
}
