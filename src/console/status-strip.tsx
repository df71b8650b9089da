/** How the service is, in one line: which model, whether it answers, who waits. */
import type { VNode } from 'preact';
import type { Failure } from './client.ts';
import { useTexts } from './texts/texts.ts';
import type { Status } from './wire.ts';

interface StatusStripProps {
  status: Status | undefined;
  failure: Failure | undefined;
}

export function StatusStrip({ status, failure }: StatusStripProps): VNode {
  const t = useTexts();
  if (failure !== undefined || status === undefined) {
    return (
      <p class="status" role="status">
        {failure !== undefined && (
          <span>
            <i class="dot bad" /> {t.failures[failure.code] ?? failure.message}
          </span>
        )}
      </p>
    );
  }
  const { model, state, queue, sequences, restarts } = status;
  const running = typeof sequences === 'object' ? sequences : undefined;
  return (
    <div class="status" role="group" aria-label={t.status}>
      <span role="status">
        <i class={`dot ${state === 'ready' ? 'good' : 'waiting'}`} /> {t.states[state]}
      </span>
      <span class="model" title={model.notice ?? model.id}>
        {model.title}
        {model.demo && <b class="chip">{t.demo}</b>}
      </span>
      {running !== undefined && (
        <span title={t.sequencesHint}>
          {t.sequences} <b>{running.active}</b>/{running.limit}
        </span>
      )}
      {queue !== undefined && (
        <span title={t.queueHint} class={queue.depth > 0 ? 'busy' : undefined}>
          {t.queue} <b>{queue.depth}</b>/{queue.limit}
        </span>
      )}
      {restarts > 0 && <span>{t.restarts(restarts)}</span>}
    </div>
  );
}
