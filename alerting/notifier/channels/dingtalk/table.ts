/** DingTalk's answers. `codes` is the vendor's list of errors; users' reports are named where the list is silent. */
import type { VendorTable } from '../vendor-table.ts';

const codes = 'https://open.dingtalk.com/document/orgapp/custom-robot-error-codes';
const limits = 'https://open.dingtalk.com/document/robots/custom-robot-access';

/** A robot that exceeds its rate is blocked for ten minutes. */
const blockSeconds = 600;

export const table: VendorTable = {
  vendor: 'DingTalk',
  codeField: 'errcode',
  messageField: 'errmsg',
  rows: [
    { code: 0, sentence: 'ok', meaning: 'delivered', source: codes },
    {
      code: 130_101,
      sentence: 'send too fast, exceed 20 times per minute',
      meaning: 'slow_down',
      afterSeconds: blockSeconds,
      source: limits,
    },
    {
      code: 410_100,
      sentence: '发送速度太快而限流',
      meaning: 'slow_down',
      afterSeconds: blockSeconds,
      source: codes,
    },
    {
      code: 310_000,
      sentence: '签名过期',
      only: /过期|timestamp|expired/i,
      meaning: 'clock',
      source: codes,
    },
    {
      code: 310_000,
      sentence: 'sign not match',
      only: /sign|签名/i,
      meaning: 'signature',
      source: codes,
    },
    {
      code: 310_000,
      sentence: 'keywords not in content',
      only: /keyword|关键词/i,
      meaning: 'content',
      source: codes,
    },
    {
      code: 310_000,
      sentence: 'ip x.x.x.x not in whitelist',
      meaning: 'credentials',
      source: codes,
    },
    { code: 400_101, sentence: 'access_token不存在', meaning: 'credentials', source: codes },
    { code: 400_102, sentence: '机器人已停用', meaning: 'credentials', source: codes },
    { code: 400_106, sentence: '机器人不存在', meaning: 'credentials', source: codes },
    { code: 400_013, sentence: '群已被解散', meaning: 'credentials', source: codes },
    { code: 40_035, sentence: '缺少参数 json', meaning: 'content', source: codes },
    { code: 101_002, sentence: '消息内容不合法', meaning: 'content', source: codes },
    { code: 400_105, sentence: '不支持的消息类型', meaning: 'content', source: codes },
    { code: 400_403, sentence: '消息内容被拒绝', meaning: 'content', source: codes },
    { code: 430_101, sentence: '含有不安全的外链', meaning: 'content', source: codes },
    { code: 430_102, sentence: '含有不合适的文本', meaning: 'content', source: codes },
    { code: 430_103, sentence: '含有不合适的图片', meaning: 'content', source: codes },
    { code: 430_104, sentence: '含有不合适的内容', meaning: 'content', source: codes },
    { code: 460_101, sentence: 'message too long', meaning: 'content', source: codes },
    { code: -1, sentence: '系统繁忙，请稍后重试', meaning: 'their_fault', source: codes },
  ],
  judgeWithoutCode({ errcode, punish, wait }) {
    if (errcode !== undefined || punish === undefined) return undefined;
    const afterSeconds = typeof wait === 'number' && wait > 0 ? wait : blockSeconds;
    const detail = 'DingTalk: the robot is blocked, it was called too often';
    return { kind: 'retry', reason: 'rate_limited', afterSeconds, detail };
  },
};
