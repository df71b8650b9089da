/** Writes a message as the markdown of a robot, in as many parts as its size asks for. Used by the robots' channels and the API. */
import type { Message, Section } from './message.ts';

export interface MarkdownStyle {
  /** Some robots know no `####`. */
  heading: (text: string) => string;
  /** The title stands in the text; a card has it elsewhere. */
  title?: (text: string) => string;
}

export const headings: MarkdownStyle = {
  heading: (text) => `#### ${text}`,
  title: (text) => `### ${text}`,
};

export interface PartOptions {
  style: MarkdownStyle;
  /** The most that one part may have, counted as JSON writes it in UTF-8. */
  maxBytes: number;
  /** Ends every part: mentions. */
  footer?: string;
}

/** A long message is told in full in at most so many parts; what is longer, in one line an alert. */
const maxFullParts = 3;

/** At least one part. Every alert is in one of them. */
export function writeParts(message: Message, options: PartOptions): string[] {
  const { style, maxBytes, footer } = options;
  const header = (note: string): string => style.title?.(`${message.title}${note}`) ?? '';
  const frame = (body: string, note: string): string =>
    [header(note), body, footer].filter(Boolean).join('\n\n');
  // Room for the note too; a footer and a header are parted from the body by blank lines.
  const room = maxBytes - sizeOf(frame('', ' (99/99)')) - sizeOf('\n\n\n\n');
  const bodies = fit(message, style, room);
  const count = bodies.length;
  return bodies.map((body, index) => frame(body, count > 1 ? ` (${index + 1}/${count})` : ''));
}

function fit(message: Message, style: MarkdownStyle, room: number): string[] {
  const notes = message.notes.map(neutralise);
  if (message.sections.length > 0) {
    const sections = message.sections.map((section) => writeSection(section, style));
    const full = pack([...sections, ...notes], '\n\n', room);
    if (full.length <= maxFullParts) return full;
  }
  const lines = message.lines.map((line) => `- ${neutralise(line)}`);
  // A blank line after the notes starts the list.
  return pack([...notes.map((note) => `${note}\n`), ...lines], '\n', room);
}

function writeSection(
  { heading, paragraphs, items, links }: Section,
  style: MarkdownStyle,
): string {
  const linked = links.map(({ name, url }) => `[${name}](${url})`).join(' · ');
  return [
    style.heading(neutralise(heading)),
    '',
    ...paragraphs.flatMap((paragraph) => [neutralise(paragraph), '']),
    ...items.map((item) => `- ${neutralise(item)}`),
    ...(linked ? [`- ${linked}`] : []),
  ].join('\n');
}

/** What an alert says must not become a robot's own mark: `<at id=all>`, `<@all>`, `<font>`. */
function neutralise(text: string): string {
  return text.replaceAll(/<(?=[@/a-z])/gi, '＜');
}

/** Joins pieces into parts of at most `maxBytes`. A piece that is too long by itself is cut at lines, then between characters. */
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
    const size = sizeOf(piece) + sizeOf(separator);
    if (size > maxBytes && piece.includes('\n')) {
      flush();
      parts.push(...pack(piece.split('\n'), '\n', maxBytes));
      continue;
    }
    if (size > maxBytes) {
      flush();
      parts.push(...pack(atomsOf(piece, maxBytes), '', maxBytes));
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
const links = /(!?\[[^\]\n]*\]\([^)\s]*\)|https?:\/\/[^\s)]+)/;

/** What is never cut: a markdown link, a URL, a character with all that belongs to it. */
function atomsOf(line: string, maxBytes: number): string[] {
  return line.split(links).flatMap((piece, index) => {
    // `split` puts what the group matched at every odd place. A link that no message can hold is not shown.
    if (index % 2 === 1) return [sizeOf(piece) > maxBytes ? '…' : piece];
    return [...graphemes.segment(piece)].map(({ segment }) =>
      sizeOf(segment) > maxBytes ? '…' : segment,
    );
  });
}

/** Bytes of a text inside a JSON string: at least what a vendor counts. */
export function sizeOf(text: string): number {
  return Buffer.byteLength(JSON.stringify(text)) - 2;
}
