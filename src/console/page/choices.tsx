/** A row of buttons of which one is selected. */
import type { VNode } from 'preact';

interface ChoicesProps<Name extends string> {
  /** For screen readers. */
  label: string;
  /** The text of each button, in the order of the buttons. */
  texts: Record<Name, string>;
  /** A number after the text of each button. */
  counts?: Record<Name, number> | undefined;
  /** Undefined: none is selected. */
  value: Name | undefined;
  onChoose: (name: Name) => void;
}

export function Choices<Name extends string>(props: ChoicesProps<Name>): VNode {
  const { label, texts, counts, value, onChoose } = props;
  return (
    <div class="choices" role="group" aria-label={label}>
      {(Object.keys(texts) as Name[]).map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={value === name}
          onClick={() => onChoose(name)}
        >
          {texts[name]}
          {counts !== undefined && <small> {counts[name]}</small>}
        </button>
      ))}
    </div>
  );
}
