/** A row of buttons of which one is selected. */
import type { VNode } from 'preact';

interface ChoicesProps<Name extends string> {
  /** For screen readers. */
  label: string;
  names: readonly Name[];
  texts: Record<Name, string>;
  value: Name;
  onChoose: (name: Name) => void;
}

export function Choices<Name extends string>(props: ChoicesProps<Name>): VNode {
  const { label, names, texts, value, onChoose } = props;
  return (
    <div class="choices" role="group" aria-label={label}>
      {names.map((name) => (
        <button
          key={name}
          type="button"
          aria-pressed={value === name}
          onClick={() => onChoose(name)}
        >
          {texts[name]}
        </button>
      ))}
    </div>
  );
}
