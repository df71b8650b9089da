/** Text in the columns of a terminal. Used by `make up`, `make status`, `make logs` and `make models`. */
import stringWidth from 'string-width';

/** Each row is indented by two spaces; a column is as wide as its longest cell. A Chinese character takes two columns. */
export function formatTable(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => {
    return Math.max(...rows.map((row) => stringWidth(row[at] ?? '')));
  });
  const lines = rows.map((row) => {
    const cells = row.map((cell, at) => padColumns(cell, widths[at] ?? 0));
    return `  ${cells.join('  ')}`.trimEnd();
  });
  return lines.join('\n');
}

/** The text with spaces up to this many columns. */
export function padColumns(text: string, columns: number): string {
  return text + ' '.repeat(Math.max(0, columns - stringWidth(text)));
}

/** The text, cut with an ellipsis if it takes more columns. */
export function cutColumns(text: string, columns: number): string {
  if (stringWidth(text) <= columns) return text;
  let cut = '';
  let width = 0;
  for (const { segment } of new Intl.Segmenter().segment(text)) {
    width += stringWidth(segment);
    if (width > columns - 1) break;
    cut += segment;
  }
  return `${cut}…`;
}
