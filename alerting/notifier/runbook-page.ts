/** Renders a runbook as a page for a phone, in one language. Used by `app.ts`. */
import MarkdownIt from 'markdown-it';
import { html, raw } from 'hono/html';
import type { HtmlEscapedString } from 'hono/utils/html';

export const languages = ['en', 'zh'] as const;
export type Language = (typeof languages)[number];

/** Text of a runbook becomes no HTML. */
const renderer = new MarkdownIt({ html: false });
const chineseHeading = /^## 中文$/m;

export function renderRunbook(markdown: string, name: string, language: Language): string {
  const [english = '', chinese = english] = markdown.split(chineseHeading);
  const title = `# ${name}\n\n`;
  const text = language === 'zh' ? title + chinese : english;
  const other = language === 'zh' ? ['en', 'English'] : ['zh', '中文'];
  const page = html`<!doctype html>
    <html lang="${language}">
      <head>
        <meta charset="utf-8" />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${name}</title>
        <style>
          body {
            font-family: sans-serif;
            line-height: 1.5;
            max-width: 50em;
            margin: 1em auto;
            padding: 0 1em;
            color-scheme: light dark;
          }
          pre {
            overflow-x: auto;
            padding: 0.5em;
            border: 1px solid #8888;
          }
          table {
            border-collapse: collapse;
            display: block;
            overflow-x: auto;
          }
          td,
          th {
            border: 1px solid #8888;
            padding: 0.3em;
            text-align: left;
          }
        </style>
      </head>
      <body>
        <p><a href="?lang=${other[0]}">${other[1]}</a></p>
        ${raw(renderer.render(text))}
      </body>
    </html>`;
  // `html` returns a promise only when it contains one.
  return (page as HtmlEscapedString).toString();
}
