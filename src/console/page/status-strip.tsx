/** The state of the service in the header: state, model, queue, sequences, context, restarts, and what alerts lack. */
import type { VNode } from 'preact';
import type { Missing, Status } from '../server/answers.ts';
import type { Failure } from './client.ts';
import { useFailureText } from './failure-message.tsx';
import { linkTo } from './route.ts';
import { usePick, useTexts } from './texts/texts.ts';

interface StatusStripProps {
  status: Status | undefined;
  failure: Failure | undefined;
  missing: readonly Missing[];
}

/** The other states pass. */
const dotOf: Partial<Record<Status['state'], string>> = {
  ready: 'good',
  failed: 'bad',
  unreachable: 'bad',
};

export function StatusStrip({ status, failure, missing }: StatusStripProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const failureText = useFailureText();
  if (failure !== undefined || status === undefined) {
    return (
      <p class="status" role="status">
        {failure !== undefined && (
          <span>
            <i class="dot bad" /> {failureText(failure)}
          </span>
        )}
      </p>
    );
  }
  const { model, state, backend, queue, sequences, contextTokens, restarts } = status;
  // A notice is in both languages, with a slash in between.
  const [english = model.id, chinese = english] = model.notice?.split(' / ') ?? [];
  return (
    <div class="status" role="group" aria-label={t.status}>
      <span role="status">
        <i class={`dot ${dotOf[state] ?? 'waiting'}`} /> {t.states[state]}
      </span>
      {missing
        .filter(({ isConfigured }) => isConfigured)
        .map(({ peer, reason }) => (
          <a key={peer} class="missing" href={linkTo('alerts')} title={pick(reason)}>
            {t.missingShort[peer]}
          </a>
        ))}
      <span class="model" title={pick({ en: english, zh: chinese })}>
        <span>{model.title}</span>
        {model.demo && <b class="chip">{t.demo}</b>}
      </span>
      {backend !== undefined && (
        <span class="backend" title={backend.reason ?? t.backendHint}>
          {t.backend} <b>{backend.host}</b>
        </span>
      )}
      {queue !== undefined && (
        <span title={t.queueHint} class={queue.depth > 0 ? 'busy' : undefined}>
          {t.queue} <b>{queue.depth}</b>/{queue.limit}
        </span>
      )}
      {sequences !== undefined && (
        <span class="sequences" title={t.sequencesHint}>
          {t.sequences} <b>{sequences}</b>
        </span>
      )}
      {contextTokens !== undefined && (
        <span class="context" title={t.contextHint}>
          {t.context} <b>{contextTokens}</b>
        </span>
      )}
      {restarts !== undefined && restarts > 0 && (
        <span>
          {t.restarts} <b>{restarts}</b>
        </span>
      )}
    </div>
  );
}

/** Below the strip: why the model cannot be loaded, in the words of llama.cpp, and that the log is not written. */
export function StatusFailures({ status }: { status: Status | undefined }): VNode {
  const t = useTexts();
  const { failure, logDiskFull } = status ?? {};
  return (
    <>
      {failure !== undefined && (
        <p class="status-failure" role="status">
          <strong>{t.loadFailure}</strong> <span dir="ltr">{failure}</span>{' '}
          <a href={linkTo('runbooks', 'EngineNotReady')}>{t.runbook}</a>
        </p>
      )}
      {logDiskFull === true && (
        <p class="status-failure" role="status">
          <strong>{t.logDiskFull}</strong> {t.logDiskHint}
        </p>
      )}
    </>
  );
}
