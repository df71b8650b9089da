/** Feishu's answers. `bot` and `generic` are the vendor's lists; users' reports are named where the lists are silent. */
import type { VendorTable } from '../vendor-table.ts';

const bot = 'https://open.feishu.cn/document/client-docs/bot-v3/add-custom-bot';
const generic = 'https://open.feishu.cn/document/server-docs/api-call-guide/generic-error-code';
const card = 'https://open.feishu.cn/document/server-docs/im-v1/message/create';

export const table: VendorTable = {
  vendor: 'Feishu',
  codeField: 'code',
  messageField: 'msg',
  rows: [
    { code: 0, sentence: 'success', meaning: 'delivered', source: bot },
    {
      code: 11_232,
      sentence: 'frequency limited psm[lark.oapi.app_platform_runtime]',
      meaning: 'slow_down',
      afterSeconds: 5,
      source: bot,
    },
    {
      // With HTTP 400.
      code: 9499,
      sentence: 'too many request',
      only: /too many request/i,
      meaning: 'slow_down',
      afterSeconds: 5,
      source: generic,
    },
    { code: 9499, sentence: 'Bad Request', meaning: 'content', source: bot },
    {
      code: 19_021,
      sentence: 'sign match fail or timestamp is not within one hour from current time',
      meaning: 'signature',
      source: bot,
    },
    {
      code: 19_001,
      sentence: 'param invalid: incoming webhook access token invalid',
      meaning: 'credentials',
      source: bot,
    },
    { code: 19_022, sentence: 'Ip Not Allowed', meaning: 'credentials', source: bot },
    { code: 19_024, sentence: 'Key Words Not Found', meaning: 'content', source: bot },
    { code: 19_036, sentence: 'message content is refused', meaning: 'content', source: bot },
    {
      code: 11_246,
      sentence:
        'ErrCode: 100290; ErrMsg: there is an invalid user resource (at/person) in your card',
      only: /invalid user resource/i,
      meaning: 'mention',
      source: 'https://github.com/feiyu563/PrometheusAlert/issues/514',
    },
    { code: 11_246, sentence: 'invalid card content', meaning: 'content', source: card },
    {
      code: 230_099,
      sentence: 'Failed to create card content',
      meaning: 'content',
      source: 'https://github.com/sipeed/picoclaw/issues/1727',
    },
    {
      code: 200_570,
      sentence: 'card contains invalid image keys',
      meaning: 'content',
      source: card,
    },
  ],
};
