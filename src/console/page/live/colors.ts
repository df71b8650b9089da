/** The colors of series: custom properties of the style sheet, resolved because a canvas cannot use them. */

/** Same colors as in the waterfall. */
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

/** @returns the name of a custom property */
export function colorOf(name: string, index: number): string {
  return colorByName[name] ?? palette[index % palette.length]!;
}

/** @returns the color of the custom property on `element`, in its light or dark theme */
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
