/** The waterfall of a trace: one bar for each span. Used below an answer and in the trace view. */
import type { VNode } from 'preact';
import { useState } from 'preact/hooks';
import {
  factOf,
  type FactName,
  type Row,
  type Waterfall as Trace,
} from '../../../../otel/traces/rows.ts';
import { formatSeconds } from '../format.ts';
import { useTexts } from '../texts/texts.ts';

export function Waterfall({ trace }: { trace: Trace }): VNode {
  const t = useTexts();
  const [open, setOpen] = useState<string>();
  const total = Math.max(trace.durationMillis, 0.001);
  return (
    <section class="waterfall" aria-label={t.waterfall}>
      <Explanation trace={trace} />
      <ol>
        {trace.rows.map((row) => (
          <SpanRow
            key={row.id}
            row={row}
            totalMillis={total}
            open={open === row.id}
            onToggle={() => setOpen(open === row.id ? undefined : row.id)}
          />
        ))}
      </ol>
      <Axis totalMillis={total} />
    </section>
  );
}

interface SpanRowProps {
  row: Row;
  totalMillis: number;
  open: boolean;
  onToggle: () => void;
}

function SpanRow({ row, totalMillis, open, onToggle }: SpanRowProps): VNode {
  const t = useTexts();
  const percent = (millis: number): string => `${(100 * millis) / totalMillis}%`;
  const duration = formatSeconds(row.durationMillis / 1000);
  const phaseMeaning = row.phase === undefined ? undefined : t.phaseMeanings[row.phase];
  const meaning = row.gaps === undefined ? phaseMeaning : t.restMeaning;
  return (
    <li>
      <button
        type="button"
        class="span-row"
        aria-expanded={open}
        title={meaning}
        onClick={onToggle}
      >
        <span class="span-name" style={{ '--depth': row.depth }}>
          {row.gaps === undefined ? row.name : t.rest}
        </span>
        <span class="track" aria-hidden="true">
          {(row.gaps ?? [row]).map(({ startMillis, durationMillis }) => (
            <span
              key={startMillis}
              class={`bar-span ${row.failed ? 'failed' : (row.phase ?? 'outer')}`}
              data-span={row.gaps === undefined ? row.name : undefined}
              style={{ left: percent(startMillis), width: percent(durationMillis) }}
            />
          ))}
          {row.events.map((event) => (
            <span
              key={event.name}
              class="event"
              data-event={event.name}
              title={t.eventLabel(event.name, formatSeconds(event.atMillis / 1000))}
              style={{ left: percent(event.atMillis) }}
            />
          ))}
        </span>
        <span class="span-time">
          {duration}
          <span class="visually-hidden"> {t.spanFrom(formatSeconds(row.startMillis / 1000))}</span>
        </span>
      </button>
      {open && <SpanFacts row={row} meaning={meaning} />}
    </li>
  );
}

function SpanFacts({ row, meaning }: { row: Row; meaning: string | undefined }): VNode {
  const t = useTexts();
  const events = row.events.map((event): [string, string] => [
    event.name,
    `+${formatSeconds(event.atMillis / 1000)}`,
  ]);
  return (
    <div class="span-facts">
      {meaning !== undefined && <p>{meaning}</p>}
      <dl>
        {[...row.attributes, ...events].map(([name, value]) => (
          <div key={name}>
            <dt>{name}</dt>
            <dd dir="auto">{formatAttribute(value)}</dd>
          </div>
        ))}
      </dl>
      {row.attributes.length + events.length === 0 && <p>{t.noAttributes}</p>}
    </div>
  );
}

/** Numbers are rounded to six digits. */
function formatAttribute(value: string | number): string {
  if (typeof value === 'string') return value === '' ? '–' : value;
  return String(Number.isInteger(value) ? value : Number(value.toPrecision(6)));
}

/** The longest phase and its share of the trace, in a sentence. */
function Explanation({ trace }: { trace: Trace }): VNode | null {
  const t = useTexts();
  const row = trace.rows
    .filter(({ phase }) => phase !== undefined)
    .toSorted((a, b) => b.durationMillis - a.durationMillis)[0];
  if (row?.phase === undefined || trace.durationMillis === 0) return null;
  const number = (name: FactName): number => Number(factOf(row, name) ?? 0);
  const facts = {
    percent: Math.round((100 * row.durationMillis) / trace.durationMillis),
    inputTokens: number('inputTokens'),
    cachedTokens: number('cachedTokens'),
    outputTokens: number('outputTokens'),
    queuePosition: number('queuePosition'),
  };
  return (
    <p class="explanation">
      <i class={`dot ${row.phase}`} />
      {t.longest[row.phase](facts)}
    </p>
  );
}

function Axis({ totalMillis }: { totalMillis: number }): VNode {
  const shares = [0, 0.25, 0.5, 0.75, 1];
  return (
    <div class="axis" aria-hidden="true">
      <span class="track">
        {shares.map((share) => (
          <span key={share} style={{ left: `${share * 100}%` }}>
            {formatSeconds((share * totalMillis) / 1000)}
          </span>
        ))}
      </span>
    </div>
  );
}
