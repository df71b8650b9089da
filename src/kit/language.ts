/** The language of texts for people. Used by all commands, and by the notifier as its default. */
import type { Text } from '../../otel/text.ts';

/**
 * LLAMASCOPE_LANG, else the locale for messages: LC_ALL overrides LC_MESSAGES, which overrides LANG (POSIX). English unless it is
 * Chinese.
 */
export function languageOf(env: NodeJS.ProcessEnv): keyof Text {
  const locale = env['LLAMASCOPE_LANG'] || env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || '';
  return locale.startsWith('zh') ? 'zh' : 'en';
}
