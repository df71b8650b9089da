/** A link to another program, which opens in a new tab. */
import type { VNode } from 'preact';

interface ProgramLinkProps {
  /** Without a slash at its end. Undefined: there is no link. */
  base: string | undefined;
  path?: string;
  children: string;
}

export function ProgramLink({ base, path = '', children }: ProgramLinkProps): VNode | null {
  if (base === undefined) return null;
  return (
    <a class="button small" href={base + path} target="_blank" rel="noopener noreferrer">
      {children}
    </a>
  );
}
