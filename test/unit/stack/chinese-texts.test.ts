/** The Chinese texts of the whole product: one word for one thing, full-width marks, and no English where Chinese is expected. */
import { globSync, readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { deadReasons, retryReasons } from '../../../alerting/notifier/channels/channel.ts';
import { zhAlerts } from '../../../src/console/page/texts/zh-alerts.ts';

/** Words that are not used any more, and the words of the glossary in their place. */
const replacedWords: readonly (readonly [RegExp, string])[] = [
  [/首个 ?token|第一个 ?token|第一个字/, '首 token'],
  [/每个输出 token|每 token (?:耗时|时间)/, '每 token 延迟'],
  [/token 间隔/, 'token 间延迟'],
  [/生成总耗时/, '端到端延迟'],
  [/(?<![（\w])(?:prefill|decode)(?!\w)/, '预填充、解码'],
  [/(?:阅读|读取|读)提示词/, '预填充'],
  [/空位|(?<!时间|停止|草稿)序列(?!化)/, '并发槽位或时间序列'],
  [/聊天/, '对话'],
  [/(?<!链路)追踪|(?<![（\w@/-])traces?(?![\w-]| ID)/, '链路、trace ID'],
  [/通道/, '渠道或告警链路'],
  [/仪表盘/, '看板'],
  [/仪表值/, 'gauge'],
  [/(?<![（\w/-])runbooks?(?!\w)/, '处理手册'],
  [/通知器|(?<![（\w/-]|the )notifier(?!\w)/, '通知服务'],
  [/收集器|(?<!OTel )采集/, 'Collector、抓取'],
  [/(?<!抓取)任务|抓取任务(?!）)/, 'job'],
  [/规则计算|下一次计算|抓取与计算/, '评估'],
  [/触发中/, '告警中'],
  [/失明|瞎/, '失效'],
  [/允许失败的预算|预算消耗速度|承诺/, '错误预算、燃烧率、SLO 目标'],
  [/被限制|限额/, '限流、频率限制'],
  [/(?<!访问)令牌/, '访问令牌'],
  [/服务栈|整个栈/, '整套服务'],
  [/(?<![（\w])supervisor(?!\w)/, '守护进程'],
  [/原生方式|普通进程/, '本机进程'],
  [/属性集/, '属性组合'],
  [/期望|应为/, '需要…，实际为…'],
  [/未设(?!置)/, '未设置'],
  [/(?<!前)[一二两三四五六七八九十]+(?:分钟|秒|小时|天|成)/, 'Arabic numerals'],
  [/\d %/, 'no space before %'],
];

/** Texts that are the same in both languages: names, and words that Chinese engineers do not translate. */
const withoutChinese = new Set([
  'API',
  'Alertmanager',
  'Prometheus',
  'Qwen2.5-0.5B Instruct Monitor',
  'SLO',
  'make status',
  'pid',
  'token',
  'webhook',
]);

/** The sentences of vendors stay as the vendors write them. */
const vendors = /channels\/\w+\/(?:table|stand-in)\.ts$/;
/** CONTRIBUTING.md is English and has the glossary. */
const ignored = /^CONTRIBUTING|generated|\/dist\/|node_modules|\.test\./;
const pages = globSync(['*.md', '{stack,otel,alerting,src}/**/*.md']).filter(isText);
const programs = globSync([
  '{stack,otel,alerting,src}/**/*.{ts,tsx,sh,html}',
  'stack/alertmanager/*.yml',
]).filter(isText);

interface Line {
  place: string;
  text: string;
}

const lines = chineseLines();

test('no Chinese text uses a word that the glossary has replaced', () => {
  const found = lines.flatMap(({ place, text }) =>
    replacedWords
      .filter(([word]) => word.test(text))
      .map(([word, use]) => `${place}: ${word.exec(text)?.[0]} → ${use}: ${text}`),
  );
  expect(found).toEqual([]);
});

test('marks beside a Chinese character are full-width', () => {
  const halfWidth = /\p{sc=Han} ?[,:;()!?]|[,:;()!?] ?\p{sc=Han}/u;
  const found = lines.flatMap(({ place, text }) => {
    const [mark] = halfWidth.exec(text) ?? [];
    return mark === undefined ? [] : `${place}: ${mark}: ${text}`;
  });
  expect(found).toEqual([]);
});

test('Chinese and Latin letters are separated by a space', () => {
  const touching = /\p{sc=Han}[A-Za-z0-9]|[A-Za-z0-9%]\p{sc=Han}/u;
  const found = lines.flatMap(({ place, text }) => {
    const [letters] = touching.exec(text) ?? [];
    return letters === undefined ? [] : `${place}: ${letters}: ${text}`;
  });
  expect(found).toEqual([]);
});

test('every Chinese entry of a table of texts is Chinese', () => {
  const tables = globSync('src/console/page/texts/zh*.ts');
  const found = [
    ...programs.flatMap((file) =>
      entries(file, /\b(?:zh|\w+_zh):\s+(?<quote>['"`])(.*?)\k<quote>/gu),
    ),
    ...tables.flatMap((file) => entries(file, /(?:[:?]|=>)\s+(?<quote>['"`])(.*?)\k<quote>/gu)),
  ].filter(({ text }) => !/\p{sc=Han}|^zh/u.test(text) && !withoutChinese.has(text));
  expect(found).toEqual([]);
});

test('every target of make help has a Chinese text', () => {
  const targets = readFileSync('Makefile', 'utf8').match(/^[a-z0-9-]+:.* ## .*$/gmu) ?? [];
  expect(targets.length).toBeGreaterThan(15);
  expect(targets.filter((line) => !/ ## .* ## \p{sc=Han}/u.test(line))).toEqual([]);
});

test('the console has a Chinese text for every reason of a failed delivery', () => {
  const known = Object.keys(zhAlerts.reasons).toSorted();
  expect(known).toEqual([...retryReasons, ...deadReasons].toSorted());
});

function isText(file: string): boolean {
  return !ignored.test(file) && !vendors.test(file);
}

function entries(file: string, pattern: RegExp): Line[] {
  return [...readFileSync(file, 'utf8').matchAll(pattern)]
    .map(([, , text = '']) => ({ place: file, text }))
    .filter(({ text }) => /\p{L}/u.test(text.replaceAll(/\$\{[^}]*\}|\\n/gu, '')));
}

/** The lines with Chinese, without the code in them. */
function chineseLines(): Line[] {
  return [
    ...pages.flatMap((file) => linesOf(file, withoutCode)),
    ...programs.flatMap((file) => linesOf(file, onlyTexts)),
  ].filter(({ text }) => /\p{sc=Han}/u.test(text));
}

function linesOf(file: string, reduce: (text: string) => string): Line[] {
  return reduce(readFileSync(file, 'utf8'))
    .split('\n')
    .map((text, index) => ({ place: `${file}:${index + 1}`, text: text.trim() }));
}

/** A page without code blocks, code spans, targets of links and a vendor's sentence; the lines keep their numbers. */
function withoutCode(page: string): string {
  return page
    .replaceAll(/^```[^]*?^```/gmu, (block) => block.replaceAll(/[^\n]/gu, ''))
    .replaceAll(/`[^`\n]*`/gu, '``')
    .replaceAll(/\]\([^)\n]*\)/gu, ']')
    .replaceAll('access_token不存在', '');
}

/** The strings of a program without their expressions; the lines keep their numbers. */
function onlyTexts(program: string): string {
  return program
    .replaceAll(/\$\{(?:[^{}]|\{[^{}]*\})*\}|\$\([^)]*\)|\$\w+|\{\{.*?\}\}/gu, '{}')
    .replaceAll(String.raw`\n`, ' ')
    .split('\n')
    .map((line) => (/^\s*(?:\*|\/\/|\/\*|#)/.test(line) ? '' : (onlyStrings(line) ?? line)))
    .join('\n');
}

/** The Chinese strings of a line; none in a line of a longer template, or of the page. */
function onlyStrings(line: string): string | undefined {
  const strings = [...line.matchAll(/(?<quote>['"`])(?:(?!\k<quote>).)*\k<quote>/gu)];
  const chinese = strings.filter(([text]) => /\p{sc=Han}/u.test(text));
  return chinese.length === 0 ? undefined : chinese.join(' ');
}
