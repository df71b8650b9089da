/** The value of a panel as a text. */
import type { PanelInfo } from '../../../../otel/panels/panel.ts';
import type { Text } from '../../../../otel/text.ts';
import { formatNumber, formatValue } from '../format.ts';

export function valueInWords(
  { unit, words, overspent }: PanelInfo,
  value: number | null | undefined,
  pick: (text: Text) => string,
): string {
  const known = words?.[String(value)];
  if (known !== undefined) return pick(known);
  if (overspent !== undefined && typeof value === 'number' && value < 0) {
    return pick(overspent).replace('{times}', formatNumber(1 - value));
  }
  return formatValue(value, unit);
}
