/** A table for the terminal. Used by `make up`, `make status` and `make models`. */

/** Each row is indented by two spaces; a column is as wide as its longest cell. */
export function formatTable(rows: readonly string[][]): string {
  const widths = (rows[0] ?? []).map((_, at) => {
    return Math.max(...rows.map((row) => widthOf(row[at] ?? '')));
  });
  const lines = rows.map((row) => {
    const cells = row.map((cell, at) => cell + ' '.repeat((widths[at] ?? 0) - widthOf(cell)));
    return `  ${cells.join('  ')}`.trimEnd();
  });
  return lines.join('\n');
}

/** In terminal columns: a Chinese character takes two. */
function widthOf(text: string): number {
  return text.length + (text.match(/[\u2e80-\uffef]/g)?.length ?? 0);
}
