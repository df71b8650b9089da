/** Sentences of the service write commands as terminals do: Run `make status`. Here they become code. */
import type { ComponentChildren } from 'preact';

export function withCode(sentence: string): ComponentChildren {
  return sentence
    .split('`')
    .map((part, index) => (index % 2 === 1 ? <code key={index}>{part}</code> : part));
}
