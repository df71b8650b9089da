/** The language of the terminal. Used by the commands of the stack and by `make model`. */
import type { Text } from '../../otel/text.ts';

/** Chinese if the locale for messages is Chinese. LC_ALL overrides LC_MESSAGES, which overrides LANG (POSIX). */
export function languageOf(env: NodeJS.ProcessEnv): keyof Text {
  const locale = env['LC_ALL'] || env['LC_MESSAGES'] || env['LANG'] || '';
  return locale.startsWith('zh') ? 'zh' : 'en';
}
