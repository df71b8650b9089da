/** The colours of lines. They are the style sheet's, resolved for a canvas, which knows no custom properties. */

/** A phase looks the same in a waterfall and in a panel. */
const colorByName: Record<string, string> = {
  queue: '--queue',
  tokenize: '--tokenize',
  prefill: '--prefill',
  decode: '--decode',
  limit: '--faint',
  failed: '--red',
  error_frame: '--red',
  input: '--prefill',
  cached_input: '--tokenize',
  output: '--decode',
};
const palette = ['--line-1', '--line-2', '--line-3', '--line-4', '--line-5', '--line-6'];

/** A custom property's name. */
export function colorOf(name: string, index: number): string {
  return colorByName[name] ?? palette[index % palette.length]!;
}

/** @returns what the property is as a colour on this element, in its light or dark scheme */
export function resolveColor(element: HTMLElement, property: string): string {
  const before = element.style.color;
  element.style.color = `var(${property})`;
  const color = getComputedStyle(element).color;
  element.style.color = before;
  return color;
}

export function withAlpha(color: string, alpha: number): string {
  return `color-mix(in srgb, ${color} ${Math.round(alpha * 100)}%, transparent)`;
}
