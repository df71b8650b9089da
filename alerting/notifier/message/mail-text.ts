/** Writes a message as the plain text and the HTML of an email. */
import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';
import MarkdownIt from 'markdown-it';
import { unescapeCommonMark } from './escape.ts';
import type { Message, Section } from './message.ts';

/** For the body of a template, which is CommonMark. Its line breaks stay; HTML in it becomes text. */
const renderer = new MarkdownIt({ html: false, breaks: true });

export function writeText({ title, sections, lines, notes, body }: Message): string {
  if (body !== undefined) return [title, unescapeCommonMark(body)].join('\n\n');
  const bodies =
    sections.length > 0
      ? sections.map(({ heading, paragraphs, markup, action, links, labels }) =>
          [
            heading,
            ...paragraphs,
            ...markup,
            action && `${action.name}${action.command}`,
            ...links.map(({ name, url }) => `  ${name} ${url}`),
            labels,
          ]
            .filter(Boolean)
            .join('\n'),
        )
      : [lines.join('\n')];
  return [title, ...notes, ...bodies].join('\n\n');
}

/** Uses inline styles only, because mail programs drop style sheets. */
export function writeHtml(message: Message): string {
  const { title, isFiring } = message;
  const color = isFiring ? '#c0392b' : '#1e8449';
  const page = html`<!doctype html>
    <html>
      <head>
        <meta name="viewport" content="width=device-width, initial-scale=1" />
      </head>
      <body style="font-family:sans-serif;max-width:46em">
        <h2 style="color:${raw(color)}">${title}</h2>
        ${message.body === undefined ? writeBody(message) : raw(renderer.render(message.body))}
      </body>
    </html>`;
  // `html` returns a promise only when it contains one.
  return (page as HtmlEscapedString).toString();
}

function writeBody({ sections, lines, notes }: Message) {
  const body =
    sections.length > 0
      ? sections.map(writeSection)
      : html`<ul>
          ${lines.map((line) => html`<li>${line}</li>`)}
        </ul>`;
  return html`${notes.map((note) => html`<p><em>${note}</em></p>`)} ${body}`;
}

function writeSection({ heading, paragraphs, markup, action, links, labels }: Section) {
  return html`${heading && html`<h3>${heading}</h3>`}
    ${[...paragraphs, ...markup].map((paragraph) => html`<p>${paragraph}</p>`)}
    ${action && html`<p>${action.name}<code>${action.command}</code></p>`}
    <p>${links.map(({ name, url }) => html`<a href="${url}">${name}</a> `)}</p>
    <p><small>${labels}</small></p> `;
}
