/** Which of a panel's two languages a dashboard speaks. Used by what builds dashboards. */
import type { Text } from '../../otel/text.ts';

export type Locale = 'en' | 'zh-CN';

export function words(locale: Locale): (text: Text) => string {
  return locale === 'en' ? ({ en }) => en : ({ zh }) => zh;
}
