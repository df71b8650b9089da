/** Texts of an alert are shown as written: each escaping function on a real renderer. */
import fc from 'fast-check';
import MarkdownIt from 'markdown-it';
import { expect, test } from 'vitest';
import {
  escapeCommonMark,
  escapeFeishu,
  escapeWeCom,
} from '../../../alerting/notifier/message/escape.ts';
import { headings, writeParts } from '../../../alerting/notifier/message/markdown.ts';
import { renderMessage } from '../../../alerting/notifier/message/message.ts';
import { createAlert, createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { english } from '../../support/alerting/notifier-parts.ts';

const renderer = new MarkdownIt({ html: true });
const hostile = [
  'path=/api/*/users/*',
  'x=__init__',
  '[x](http://evil)',
  '![graph](https://grafana.example/x.png)',
  '# head',
  '> quote',
  '- item',
  '1. item',
  '***',
  '---',
  '`code`',
  '~~gone~~',
  '<at id=all></at>',
  '<@all>',
  '<font color="red">red</font>',
  '<http://evil>',
  '&lt;b&gt; AT&T',
  String.raw`C:\Users\_x_`,
  '[x]: http://evil',
  '[critical] ratio < 5, 12.3% > 5',
  '    at foo_bar',
  '\tat foo_bar',
];
/** Also pieces that only form markup together. */
const text = fc
  .array(
    fc.oneof(
      fc.constantFrom(...hostile),
      fc.constantFrom('*', '_', '[', ']', '(', ')', '!', '`', '<', '\\', 'a', ' '),
    ),
    {
      minLength: 1,
      maxLength: 8,
    },
  )
  .map((pieces) => pieces.join('').replaceAll(/\s+/g, ' ').trim())
  .filter((joined) => joined !== '');

/** What a reader sees of a single paragraph, and the tags in it. */
function show(markdown: string): { tags: string[]; seen: string } {
  const tags: string[] = [];
  let seen = '';
  for (const token of renderer.parse(markdown, {})) {
    if (token.type !== 'inline') {
      tags.push(token.tag);
      continue;
    }
    for (const child of token.children ?? []) {
      if (child.tag !== '' || child.type.startsWith('html')) tags.push(child.tag || child.content);
      seen += child.content;
    }
  }
  return { tags, seen: seen.replaceAll('\u200B', '') };
}

// Fault: an alert contains `*a*`, `__b__`, `# head`, a link, an image or a mention. Result: shown as written, with no markup.
test.each([
  ['CommonMark', escapeCommonMark],
  ['Feishu', escapeFeishu],
])('%s shows any text as written, with no markup', (_, escape) => {
  const check = (given: string): void => {
    expect(show(escape(given))).toEqual({ tags: ['p', 'p'], seen: given });
  };
  for (const given of hostile) check(given);
  fc.assert(fc.property(text, check));
});

test('WeCom, which has no escape, shows no markup', () => {
  for (const given of hostile) {
    const { tags, seen } = show(
      escapeWeCom(given).replaceAll('\\', '\\\\').replaceAll('&', '&amp;'),
    );
    // A single `*` or `_` is emphasis for markdown-it, and a character for WeCom.
    expect(tags.filter((tag) => !['p', 'em'].includes(tag))).toEqual([]);
    expect(seen.length).toBeGreaterThan(0);
  }
});

test('a whole message has only its own markup', () => {
  for (const given of hostile) {
    const annotations = { summary: given, description: given };
    const labels = { alertname: given, path: given };
    const message = renderMessage([createWebhook([createAlert({ annotations, labels })])], english);
    const page = renderer.render(
      writeParts(message, { style: headings, maxBytes: 20_000 }).join(''),
    );
    const tags = [...page.matchAll(/<(\w+)/g)].map(([, tag]) => tag);
    expect(tags).toEqual(['h3', 'p', 'p', 'p', 'a', 'p']);
  }
});
