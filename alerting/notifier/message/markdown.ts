/** Writes a message as markdown, in as many parts as the size limit requires. Used by the robots, the webhook channel and the app. */
import { escapeCommonMark } from './escape.ts';
import type { Message, Section } from './message.ts';

export interface MarkdownStyle {
  /** Escapes a text of an alert for this markup. */
  escape: (text: string) => string;
  /** How a section's heading is written; some robots do not render `####`. */
  heading: (text: string) => string;
  /** How the title is written. Undefined if the title is shown elsewhere, such as in the header of a card. */
  title?: (text: string) => string;
  /** How an entry of a list is written; WeCom has no lists. */
  item?: (text: string) => string;
  /** How a command is written. Undefined if the robot does not render code. */
  code?: (text: string) => string;
}

export const headings: MarkdownStyle = {
  escape: escapeCommonMark,
  heading: (text) => `#### ${text}`,
  title: (text) => `### ${text}`,
};

/** The whole message in one text. */
export const writeWhole = (message: Message, style: MarkdownStyle): string =>
  writeParts(message, { style, maxBytes: Number.POSITIVE_INFINITY }).join('');

export interface PartOptions {
  style: MarkdownStyle;
  /** Limit of one part, counted as UTF-8 inside a JSON string. */
  maxBytes: number;
  /** Added to the end of every part: mentions. */
  footer?: string;
}

/** If a message needed more parts than this, it is written with one line per alert instead. */
const maxFullParts = 3;

/** Returns at least one part; together they contain every alert. */
export function writeParts(message: Message, options: PartOptions): string[] {
  const { style, maxBytes, footer } = options;
  const title = style.escape(message.title);
  const header = (note: string): string => style.title?.(`${title}${note}`) ?? '';
  const frame = (body: string, note: string): string =>
    [header(note), body, footer].filter(Boolean).join('\n\n');
  // Header with the part number, footer, and the blank lines between them and the body.
  const maxBodyBytes = maxBytes - jsonBytes(frame('', ' (99/99)')) - jsonBytes('\n\n\n\n');
  const bodies = writeBodies(message, style, maxBodyBytes);
  const count = bodies.length;
  return bodies.map((body, index) => frame(body, count > 1 ? ` (${index + 1}/${count})` : ''));
}

function writeBodies(message: Message, style: MarkdownStyle, maxBytes: number): string[] {
  if (message.body !== undefined) return pack([message.body], '\n', maxBytes);
  const { escape, item = (text) => `- ${text}` } = style;
  const notes = message.notes.map(escape);
  if (message.sections.length > 0) {
    const sections = message.sections.map((section) => writeSection(section, style));
    const full = pack([...sections, ...notes], '\n\n', maxBytes);
    if (full.length <= maxFullParts) return full;
  }
  const lines = message.lines.map((line) => item(escape(line)));
  // The list needs a blank line before it.
  return pack([...notes.map((note) => `${note}\n`), ...lines], '\n', maxBytes);
}

function writeSection(section: Section, style: MarkdownStyle): string {
  const { heading, paragraphs, markup, action, links, labels } = section;
  const { escape, code = escape } = style;
  const linked = links.map(({ name, url }) => `[${name}](${url})`).join(' · ');
  return [
    heading && style.heading(escape(heading)),
    ...paragraphs.map((paragraph) => escape(paragraph)),
    // The rule's author asked for markup by an annotation. Mentions and images stay text.
    ...markup.map((text) => text.replaceAll('<', '＜').replaceAll('![', '[')),
    action && `${action.name}${code(action.command)}`,
    linked,
    labels && escape(labels),
  ]
    .filter(Boolean)
    .join('\n\n');
}

/** Joins pieces into parts of at most `maxBytes`. A longer piece is cut between lines, then between characters. */
export function pack(pieces: readonly string[], separator: string, maxBytes: number): string[] {
  const parts: string[] = [];
  let current: string[] = [];
  let bytes = 0;
  const flush = (): void => {
    if (current.length > 0) parts.push(current.join(separator));
    current = [];
    bytes = 0;
  };
  for (const piece of pieces) {
    const size = jsonBytes(piece) + jsonBytes(separator);
    if (size > maxBytes) {
      flush();
      const isOneLine = !piece.includes('\n');
      const smaller = isOneLine ? splitLine(piece, maxBytes) : piece.split('\n');
      parts.push(...pack(smaller, isOneLine ? '' : '\n', maxBytes));
      continue;
    }
    if (bytes + size > maxBytes) flush();
    current.push(piece);
    bytes += size;
  }
  flush();
  return parts.length > 0 ? parts : [''];
}

const graphemes = new Intl.Segmenter();
const links = /(!?\[[^\]\n]*\]\([^)\s]*\)|https?:\/\/[^\s)]+|\\[!-~]|&#\d+;)/;

/** Splits a line into pieces that are never cut: markdown links, URLs, escapes, grapheme clusters. */
function splitLine(line: string, maxBytes: number): string[] {
  return line.split(links).flatMap((piece, index) => {
    // `split` returns the matches of its group at odd indexes. A link that fits into no part is replaced by an ellipsis.
    if (index % 2 === 1) return [jsonBytes(piece) > maxBytes ? '…' : piece];
    return [...graphemes.segment(piece)].map(({ segment }) =>
      jsonBytes(segment) > maxBytes ? '…' : segment,
    );
  });
}

/** UTF-8 bytes of a text inside a JSON string; never less than what a vendor counts. */
export function jsonBytes(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
