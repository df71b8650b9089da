/** Fits a line to samples by least squares, for the soak. */

export interface Slope {
  /** Of all values. */
  mean: number;
  /** Change of the value per unit of time. */
  slope: number;
  /** Standard error of the slope. */
  error: number;
}

/**
 * Least squares, https://en.wikipedia.org/wiki/Simple_linear_regression. Neighbouring samples are alike, so that there are fewer
 * independent ones than samples; the error is widened by the correlation r of neighbouring residuals: √((1 + r) / (1 − r)), as for a process
 * AR(1) (https://en.wikipedia.org/wiki/Effective_sample_size).
 * @throws Error for fewer than 3 samples.
 */
export function fitSlope(times: readonly number[], values: readonly number[]): Slope {
  const count = times.length;
  if (count < 3) throw new Error(`expected at least 3 samples, got ${count}`);
  const mean = average(values);
  const centre = average(times);
  const spread = total(times.map((time) => (time - centre) ** 2));
  const slope = total(times.map((time, at) => (time - centre) * (values[at]! - mean))) / spread;
  const residuals = values.map((value, at) => value - mean - slope * (times[at]! - centre));
  const squares = total(residuals.map((residual) => residual ** 2));
  if (squares === 0) return { mean, slope, error: 0 };
  const products = total(residuals.slice(1).map((residual, at) => residual * residuals[at]!));
  const correlation = Math.min(0.99, Math.max(0, products / squares));
  const widening = Math.sqrt((1 + correlation) / (1 - correlation));
  return { mean, slope, error: widening * Math.sqrt(squares / (count - 2) / spread) };
}

function total(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0);
}

function average(values: readonly number[]): number {
  return total(values) / values.length;
}
