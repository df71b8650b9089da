/** The types of OTLP JSON that tests read. */
interface OtlpAttribute {
  key: string;
  value: Record<string, unknown>;
}

export interface OtlpMetric {
  name: string;
  unit?: string;
  gauge?: { dataPoints: OtlpPoint[] };
  sum?: { dataPoints: OtlpPoint[]; aggregationTemporality: number; isMonotonic: boolean };
  histogram?: { dataPoints: OtlpPoint[]; aggregationTemporality: number };
  exponentialHistogram?: { dataPoints: OtlpPoint[]; aggregationTemporality: number };
}

export interface OtlpPoint {
  attributes: OtlpAttribute[];
  count?: number;
  sum?: number;
  asInt?: number;
  asDouble?: number;
  explicitBounds?: number[];
}

export interface OtlpLog {
  severityText: string;
  severityNumber: number;
  body: { stringValue: string };
  attributes: OtlpAttribute[];
  traceId?: string;
  spanId?: string;
}

/** Attributes as an object; a nested map stays a map. */
export function attributesOf({
  attributes,
}: {
  attributes: OtlpAttribute[];
}): Record<string, unknown> {
  return Object.fromEntries(attributes.map(({ key, value }) => [key, plain(value)]));
}

function plain(value: Record<string, unknown>): unknown {
  const map = value['kvlistValue'] as { values: OtlpAttribute[] } | undefined;
  return map === undefined ? Object.values(value)[0] : attributesOf({ attributes: map.values });
}
