/** Bar charts as SVG, readable on a light and on a dark page. Used by the report. */
import { median } from './statistics.ts';

export interface Chart {
  title: string;
  /** Groups of bars, from top to bottom. */
  groups: readonly { label: string; bars: readonly Bar[] }[];
  /** Series in the order of their colours. */
  series: readonly string[];
}

interface Bar {
  series: string;
  /** One a round: the bar is their median, the line their range. */
  values: readonly number[];
}

const width = 760;
const labelWidth = 200;
const plotWidth = 460;
const barHeight = 14;
const groupGap = 14;
const headHeight = 64;

// Paul Tol's bright scheme, https://personal.sron.nl/~pault/, lighter on dark pages.
const light = ['#4477aa', '#ee6677', '#228833', '#997700'];
const dark = ['#77aadd', '#ff8899', '#66cc77', '#ddcc55'];

const fills = (colours: readonly string[]) =>
  colours.map((colour, at) => `.s${at}{fill:${colour}}`).join('');
const style = `text{font:12px system-ui,sans-serif;fill:#24292f}.title{font-weight:600;font-size:14px}.range{stroke:#24292f}.axis{stroke:#8c959f}${fills(light)}
@media(prefers-color-scheme:dark){text{fill:#e6edf3}.range{stroke:#e6edf3}${fills(dark)}}`;

export function drawBars({ title, groups, series }: Chart): string {
  const most = Math.max(...groups.flatMap(({ bars }) => bars.flatMap(({ values }) => values)));
  const x = (value: number) => labelWidth + (value / most) * plotWidth;
  const parts: string[] = [];
  let y = headHeight;
  for (const { label, bars } of groups) {
    parts.push(
      text(labelWidth - 8, y + (bars.length * barHeight) / 2 + 4, label, 'text-anchor="end"'),
    );
    for (const { series: name, values } of bars) {
      const middle = median(values);
      const [low, high] = [Math.min(...values), Math.max(...values)];
      const centre = y + barHeight / 2;
      const box = `x="${labelWidth}" y="${y + 1}" width="${round(x(middle) - labelWidth)}" height="${barHeight - 2}"`;
      parts.push(
        `<rect class="s${series.indexOf(name)}" ${box}/>`,
        `<line class="range" x1="${round(x(low))}" x2="${round(x(high))}" y1="${centre}" y2="${centre}"/>`,
        text(x(high) + 6, centre + 4, middle.toPrecision(3)),
      );
      y += barHeight;
    }
    y += groupGap;
  }
  const legend = series.flatMap((name, at) => [
    `<rect class="s${at}" x="${20 + at * 180}" y="36" width="12" height="12"/>`,
    text(20 + at * 180 + 17, 46, name),
  ]);
  const axis = `<line class="axis" x1="${labelWidth}" x2="${labelWidth}" y1="${headHeight - 4}" y2="${y - groupGap + 4}"/>`;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${width} ${y}" width="${width}" height="${y}" role="img" aria-label="${title}">`,
    `<style>${style}</style>`,
    text(20, 20, title, 'class="title"'),
    ...legend,
    ...parts,
    axis,
    '</svg>\n',
  ].join('\n');
}

const round = (value: number) => Math.round(value * 10) / 10;

const text = (x: number, y: number, content: string, attributes = '') =>
  `<text x="${round(x)}" y="${round(y)}" ${attributes}>${content}</text>`;
