import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  headings,
  pack,
  jsonBytes,
  writeParts,
} from '../../../alerting/notifier/message/markdown.ts';
import { renderMessage } from '../../../alerting/notifier/message/message.ts';
import { createWebhook } from '../../support/alerting/alertmanager-webhook.ts';
import { chinese, createAlerts } from '../../support/alerting/notifier-parts.ts';

const link = fc
  .tuple(fc.stringMatching(/^[a-z故]{1,9}$/), fc.stringMatching(/^[a-z0-9/]{1,40}$/))
  .map(([name, path]) => `[${name}](http://x/${path})`);
const word = fc.oneof(
  link,
  fc.stringMatching(/^[a-z ]{1,30}$/),
  fc.constantFrom('故障', '👩‍👩‍👧‍👦', 'e\u0301', '\n', '"'),
);
const piece = fc.array(word, { minLength: 1, maxLength: 30 }).map((words) => words.join(''));

test('no part is too long, nothing is lost, and no link or character is cut', () => {
  fc.assert(
    fc.property(fc.array(piece, { minLength: 1, maxLength: 8 }), (pieces) => {
      const parts = pack(pieces, '\n\n', 120);
      const joined = parts.join('');
      const links = (text: string): string[] => text.match(/\[[^\]]*\]\([^)]*\)/g) ?? [];
      expect(Math.max(...parts.map(jsonBytes))).toBeLessThanOrEqual(120);
      expect(joined.replaceAll('\n', '')).toBe(pieces.join('').replaceAll('\n', ''));
      expect(parts.flatMap(links)).toEqual(links(pieces.join('\n')));
      expect(parts.every((part) => part.isWellFormed() && !/^(\u200d|\u0301)/.test(part))).toBe(
        true,
      );
    }),
  );
});

test('a link that fits into no part is replaced by an ellipsis', () => {
  const long = `before [name](http://x/${'a'.repeat(200)}) after`;
  expect(pack([long], '\n', 60).join('')).toBe('before … after');
});

test('a digest of 1,000 alerts lists each of them, in numbered parts', () => {
  const webhooks = createAlerts(1000).map((alert) => createWebhook([alert]));
  const parts = writeParts(renderMessage(webhooks, chinese), { style: headings, maxBytes: 4096 });
  expect(Math.max(...parts.map(jsonBytes))).toBeLessThanOrEqual(4096);
  expect(parts[1]).toMatch(
    new RegExp(`^### 【严重】告警 1000：请求失败率过高 \\(2/${parts.length}\\)\n\n- 🔥`),
  );
  const listed = parts.join('\n').match(/instance=host-\d+ /g);
  expect(new Set(listed).size).toBe(1000);
});
