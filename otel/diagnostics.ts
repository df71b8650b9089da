/** Passes the SDK's diagnostics, such as a collector that does not answer, to our logger. Used by `sdk.ts`. */
import { diag, DiagLogLevel } from '@opentelemetry/api';
import { readChoice, type Environment } from './environment.ts';
import type { Logger } from './logger.ts';

const levels = {
  none: DiagLogLevel.NONE,
  error: DiagLogLevel.ERROR,
  warn: DiagLogLevel.WARN,
  info: DiagLogLevel.INFO,
  debug: DiagLogLevel.DEBUG,
  verbose: DiagLogLevel.VERBOSE,
  all: DiagLogLevel.ALL,
} as const;

export function logDiagnostics(env: Environment, log: Logger): void {
  const say =
    (method: 'error' | 'warn' | 'info' | 'debug' | 'trace') =>
    (message: string, ...details: unknown[]): void =>
      log[method]([message, ...details].join(' '));
  const logger = {
    error: say('error'),
    warn: say('warn'),
    info: say('info'),
    debug: say('debug'),
    verbose: say('trace'),
  };
  const set = (logLevel: DiagLogLevel): boolean =>
    diag.setLogger(logger, { logLevel, suppressOverrideMessage: true });
  set(DiagLogLevel.WARN);
  const names = Object.keys(levels) as (keyof typeof levels)[];
  set(levels[readChoice(env, 'OTEL_LOG_LEVEL', names, 'warn')]);
}
