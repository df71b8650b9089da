/** One escaping function for each markup, so that a text of an alert is shown as written. Used by `markdown.ts` and the channels. */

/** A zero-width space: it separates characters that would form markup together. */
const separator = '\u200B';

/** Characters that start or end markup where they stand. */
const marks = /[\\`*_~]|\](?=[([:])|<(?=[a-z/!?@])|&(?=#|\w+;)/gi;

/** CommonMark, DingTalk: a backslash before a mark. https://spec.commonmark.org/0.31.2/#backslash-escapes */
export function escapeCommonMark(text: string): string {
  return guardStart(text.replaceAll(marks, String.raw`\$&`));
}

/** CommonMark as plain text: without the backslashes. */
export function unescapeCommonMark(text: string): string {
  return text.replaceAll(/\\([!-/:-@[-`{-~])/g, '$1').replaceAll(separator, '');
}

/** Feishu: its cards read HTML entities. https://open.feishu.cn/document/feishu-cards/card-json-v2-components/content-components/rich-text */
export function escapeFeishu(text: string): string {
  return guardStart(text.replaceAll(marks, (mark) => `&#${mark.codePointAt(0)};`));
}

/** WeCom has no escape: its pairs of marks are separated, and a backtick becomes its fullwidth form. */
export function escapeWeCom(text: string): string {
  return guardStart(
    text
      .replaceAll(/[*_~]|\](?=[([:])/g, `$&${separator}`)
      .replaceAll('`', '｀')
      .replaceAll('<', '＜'),
  );
}

/** Marks at the start of a line: headings and their underlines, lists, quotes, and the indentation of code. */
function guardStart(text: string): string {
  return text
    .replaceAll(/^(\s*)(#|>|[-+](?=\s|$)|-{2,}|=+|\d{1,9}[.)](?=\s|$))/gm, `$1${separator}$2`)
    .replaceAll(/^(?: {4}| {0,3}\t)(?=.*\S)/gm, `${separator}$&`);
}
