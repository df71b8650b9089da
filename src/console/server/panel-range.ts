/** The times at which a panel's queries are evaluated: bounded in number, and equal for all requests within one step. */
import type { PanelKind } from '../../../otel/panels/panel.ts';

export interface Range {
  /** Epoch seconds. */
  from: number;
  to: number;
  stepSeconds: number;
}

const steps = [5, 10, 15, 30, 60, 120, 300, 600, 1800];
/** Maximum points of a plot: a wide screen shows no more, and a range of 24 hours stays cheap. */
const mostSteps = 360;
/** A stat has only a sparkline, and each of its points may evaluate a 30-day window, so ask for fewer points. */
const mostSparklineSteps = 60;
const mostHiddenSeconds = 30;

export function chooseRange(kind: PanelKind, minutes: number, nowSeconds: number): Range {
  const seconds = minutes * 60;
  const isNumber = kind === 'stat' || kind === 'info' || kind === 'gauge';
  const enough = seconds / (isNumber ? mostSparklineSteps : mostSteps);
  const stepSeconds = steps.find((step) => step >= enough) ?? 1800;
  // Align lines to the step, as Grafana does, unless that hides more than 30 s of data. Single numbers use the current time.
  const unit = isNumber ? 1 : Math.min(stepSeconds, mostHiddenSeconds);
  const to = Math.floor(nowSeconds / unit) * unit;
  return { from: to - Math.floor(seconds / stepSeconds) * stepSeconds, to, stepSeconds };
}
