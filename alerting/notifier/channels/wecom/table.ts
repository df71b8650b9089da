/** WeCom's answers. A mention of an unknown person is no error: WeCom shows it as text. */
import type { VendorTable } from '../vendor-table.ts';

const codes = 'https://developer.work.weixin.qq.com/document/path/90313';
const robot = 'https://developer.work.weixin.qq.com/document/path/91770';

export const table: VendorTable = {
  vendor: 'WeCom',
  codeField: 'errcode',
  messageField: 'errmsg',
  rows: [
    { code: 0, sentence: 'ok', meaning: 'delivered', source: robot },
    {
      code: 45_009,
      sentence: 'api freq out of limit',
      meaning: 'slow_down',
      afterSeconds: 60,
      source: codes,
    },
    {
      code: 45_033,
      sentence: 'api concurrent out of limit',
      meaning: 'slow_down',
      afterSeconds: 5,
      source: codes,
    },
    { code: 93_000, sentence: 'invalid webhook url', meaning: 'credentials', source: codes },
    { code: 40_008, sentence: 'invalid message type', meaning: 'content', source: codes },
    {
      code: 40_058,
      sentence: 'markdown.content exceed max length 4096',
      meaning: 'content',
      source: codes,
    },
    { code: 44_004, sentence: 'content is empty', meaning: 'content', source: codes },
    { code: 45_002, sentence: 'content size out of limit', meaning: 'content', source: codes },
    { code: -1, sentence: 'system busy', meaning: 'their_fault', source: codes },
  ],
};
