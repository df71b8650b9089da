/** The moments for which a panel is asked: bounded in number, and the same for everybody who asks within a step. */
import type { PanelKind } from '../../../otel/panels/panel.ts';

export const minutesBounds = { least: 5, most: 24 * 60 } as const;

export interface Range {
  /** Epoch seconds. */
  from: number;
  to: number;
  stepSeconds: number;
}

const steps = [5, 10, 15, 30, 60, 120, 300, 600, 1800];
/** As many as a wide screen has room for, and no query of 24 hours takes long. */
const mostSteps = 360;
/** Behind a number there is only a small graph; what it asks can look back on 30 days at each of its points. */
const mostStepsBehindNumber = 60;
const mostLeftOutSeconds = 30;

/** `minutes` is taken to its nearest bound. */
export function chooseRange(kind: PanelKind, minutes: number, nowSeconds: number): Range {
  const { least, most } = minutesBounds;
  const seconds = Math.min(most, Math.max(least, Math.round(minutes))) * 60;
  const isNumber = kind === 'stat' || kind === 'info' || kind === 'gauge';
  const enough = seconds / (isNumber ? mostStepsBehindNumber : mostSteps);
  const stepSeconds = steps.find((step) => step >= enough) ?? 1800;
  // A line stands still between two steps, as Grafana's do, as long as that leaves out little; a number is of now.
  const unit = isNumber ? 1 : Math.min(stepSeconds, mostLeftOutSeconds);
  const to = Math.floor(nowSeconds / unit) * unit;
  return { from: to - Math.floor(seconds / stepSeconds) * stepSeconds, to, stepSeconds };
}
