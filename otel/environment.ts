/** Reads OTEL_* variables. A wrong value is one warning, and the default applies. A blank variable counts as unset, as the specification requires. */
import { diag } from '@opentelemetry/api';
import type { SpanLimits } from '@opentelemetry/sdk-trace';

export type Environment = Readonly<Record<string, string | undefined>>;

/** Whether prompts and answers are recorded on spans; false by default. */
export function capturesContent(env: Environment): boolean {
  return env['OTEL_INSTRUMENTATION_GENAI_CAPTURE_MESSAGE_CONTENT']?.toLowerCase() === 'true';
}

/**
 * Limits the length of attributes that a client controls, such as model name and stop sequences. OpenTelemetry's default is no limit.
 * Captured conversations have a limit of 64 KiB.
 */
export function spanLimits(env: Environment): SpanLimits & { attributeValueLengthLimit: number } {
  const read = (name: string, fallback: number): number => {
    // NodeSDK reads the variable too, and warns of a value that is no number.
    const isNumber = !Number.isNaN(Number(readText(env, name)));
    return isNumber ? readNumber(env, name, fallback, { min: 1 }) : fallback;
  };
  const fallback = capturesContent(env) ? 65_536 : 4096;
  const general = read('OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT', fallback);
  return { attributeValueLengthLimit: read('OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT', general) };
}

/** Where OTEL_EXPORTER_PROMETHEUS_HOST and OTEL_EXPORTER_PROMETHEUS_PORT ask for a server; undefined if neither is set. */
export function readServer(env: Environment): { host: string; port: number } | undefined {
  const host = readText(env, 'OTEL_EXPORTER_PROMETHEUS_HOST');
  const port = 'OTEL_EXPORTER_PROMETHEUS_PORT';
  if (host === undefined && readText(env, port) === undefined) return undefined;
  return { host: host ?? 'localhost', port: readNumber(env, port, 9464, { max: 65_535 }) };
}

/** The value without surrounding blanks; undefined if it is unset or blank. */
export function readText(env: Environment, name: string): string | undefined {
  return env[name]?.trim() || undefined;
}

/** Returns `fallback` and warns if the value is not a number within the bounds. */
export function readNumber(
  env: Environment,
  name: string,
  fallback: number,
  { min = 0, max = Number.POSITIVE_INFINITY } = {},
): number {
  const text = readText(env, name);
  if (text === undefined) return fallback;
  const value = Number(text);
  if (value >= min && value <= max) return value;
  warnOnce(`${name}: expected a number from ${min} to ${max}, got "${text}"; using ${fallback}`);
  return fallback;
}

/** One of `choices`, in any case. */
export function readChoice<Choice extends string>(
  env: Environment,
  name: string,
  choices: readonly Choice[],
  fallback: Choice,
): Choice {
  const text = readText(env, name);
  if (text === undefined) return fallback;
  const found = choices.find((choice) => choice === text.toLowerCase());
  if (found === undefined) warnUnknown(name, choices, text, fallback);
  return found ?? fallback;
}

/** A list such as `otlp,prometheus`, in any case. Unknown items are left out; a list without a known item is `fallback`. */
export function readList<Choice extends string>(
  env: Environment,
  name: string,
  choices: readonly Choice[],
  fallback: readonly Choice[],
): readonly Choice[] {
  const text = readText(env, name);
  if (text === undefined) return fallback;
  const items = text.split(',').map((item) => item.trim().toLowerCase());
  const known = choices.filter((choice) => items.includes(choice));
  const list = known.length === 0 ? fallback : known;
  const isUnknown = (item: string): boolean => !choices.some((choice) => choice === item);
  if (items.some(isUnknown)) warnUnknown(name, choices, text, list.join(','));
  return list;
}

function warnUnknown(name: string, choices: readonly string[], got: string, using: string): void {
  const expected = choices.join(', ');
  warnOnce(`${name}: expected one of ${expected}, got "${got}"; using ${using || 'none'}`);
}

const warned = new Set<string>();

/** Several files read some variables. */
function warnOnce(sentence: string): void {
  if (warned.has(sentence)) return;
  warned.add(sentence);
  diag.warn(sentence);
}
