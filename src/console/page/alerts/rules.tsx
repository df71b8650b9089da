/** All alerting rules: state, value now, threshold, last firing. A row opens its condition. */
import type { VNode } from 'preact';
import type { AlertingRule, RuleList } from '../../server/answers.ts';
import { formatSeconds, formatTime, formatValue } from '../format.ts';
import type { Polled } from '../polling.ts';
import { linkTo } from '../route.ts';
import { StaleNote } from '../stale-note.tsx';
import { usePick, useTexts } from '../texts/texts.ts';
import { withCode } from '../with-code.tsx';
import { fillLabels } from './fill-labels.ts';
import { isHeldBack } from './held-back.ts';

/** What needs attention first. */
const order: AlertingRule['state'][] = ['firing', 'broken', 'pending', 'inactive'];

interface RulesProps {
  polled: Polled<RuleList>;
  /** Names of active alerts that no rule has. */
  foreign: readonly string[];
}

export function Rules({ polled, foreign }: RulesProps): VNode {
  const t = useTexts();
  const pick = usePick();
  const { value: list } = polled;
  const rules = (list?.rules ?? []).toSorted(
    (a, b) => order.indexOf(a.state) - order.indexOf(b.state),
  );
  const pending = rules.filter(({ state }) => state === 'pending').length;
  return (
    <section>
      <h2>{t.rules}</h2>
      <StaleNote polled={polled} />
      {list?.reason !== undefined && <p class="empty">{withCode(pick(list.reason))}</p>}
      {rules.length > 0 && <p class="hint">{t.rulesHint(rules.length, pending)}</p>}
      {foreign.length > 0 && <p class="hint">{t.foreignRules(foreign.join(', '))}</p>}
      <ul class="rule-list card">
        {rules.map((rule) => (
          <Rule key={rule.query} rule={rule} />
        ))}
      </ul>
    </section>
  );
}

function Rule({ rule }: { rule: AlertingRule }): VNode {
  const t = useTexts();
  const pick = usePick();
  const { name, severity, state, labels, summary, value, unit, lastFiredAt, activeAt } = rule;
  return (
    <li>
      <details class="rule" data-rule={name}>
        <summary>
          <span class={`chip ${state}`}>{t.ruleStates[state]}</span>
          <span class="rule-name">
            <b>{name}</b> <span class="muted">{fillLabels(pick(summary), labels)}</span>
          </span>
          <span class="rule-number">
            <span class="muted">{t.valueNow}</span> {formatValue(value, unit || '{}')}
          </span>
          <Threshold rule={rule} />
          <span class="rule-last muted">
            {activeAt !== undefined
              ? t.since(formatTime(activeAt))
              : lastFiredAt === null
                ? t.neverFired
                : t.lastFired(formatTime(lastFiredAt))}
          </span>
        </summary>
        <div class="rule-facts">
          {rule.error !== undefined && (
            <p class="failure" dir="auto">
              {rule.error}
            </p>
          )}
          <pre tabIndex={0}>
            <code>{rule.query}</code>
          </pre>
          <p class="actions">
            <span class="chip">{t.severities[severity] ?? severity}</span>
            {Object.entries(labels).map(([label, text]) => (
              <code key={label}>
                {label}={text}
              </code>
            ))}
            {rule.runbook !== undefined && (
              <a href={linkTo('runbooks', rule.runbook)}>{t.runbook}</a>
            )}
          </p>
        </div>
      </details>
    </li>
  );
}

function Threshold({ rule }: { rule: AlertingRule }): VNode {
  const t = useTexts();
  const { bound, unit, forSeconds } = rule;
  return (
    <span class="rule-bound">
      {bound !== undefined && (
        <>
          {bound.operator.replace('==', '=')} {formatValue(bound.value, unit || '{}')}
        </>
      )}{' '}
      {forSeconds > 0 && <span class="muted">{t.forSome(formatSeconds(forSeconds))}</span>}
      {isHeldBack(rule) && <span class="muted held-back">{t.otherConditions}</span>}
    </span>
  );
}
