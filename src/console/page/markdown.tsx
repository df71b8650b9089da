/**
 * Renders Markdown of answers and runbooks. No text becomes HTML: markdown-it only tokenizes, and each kind of token has its element
 * here. Images and raw HTML have none and stay text, so nothing is fetched.
 */
import MarkdownIt from 'markdown-it';
import type { ComponentChildren, VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { CopyButton } from './copy-button.tsx';
import { linkTo } from './route.ts';

const parser = new MarkdownIt({ html: false, linkify: true, breaks: true });

type Token = ReturnType<typeof parser.parse>[number];

/** Elements without attributes of their own, by token type. */
const containers: Record<string, string> = {
  blockquote_open: 'blockquote',
  bullet_list_open: 'ul',
  list_item_open: 'li',
  paragraph_open: 'p',
  thead_open: 'thead',
  tbody_open: 'tbody',
  tr_open: 'tr',
  th_open: 'th',
  td_open: 'td',
  strong_open: 'strong',
  em_open: 'em',
  s_open: 's',
};

/** @param text untrusted: from a model or a file */
export function Markdown({ text }: { text: string }): VNode {
  const content = useMemo(() => toElements(parser.parse(text, {})), [text]);
  return <div class="markdown">{content}</div>;
}

/** Builds a tree from markdown-it's flat list of opening, closing and single tokens. */
function toElements(tokens: readonly Token[]): ComponentChildren[] {
  let at = 0;
  const children = (): ComponentChildren[] => {
    const found: ComponentChildren[] = [];
    while (at < tokens.length) {
      const token = tokens[at]!;
      at += 1;
      if (token.nesting === -1) break;
      found.push(token.nesting === 1 ? toContainer(token, children()) : toLeaf(token));
    }
    return found;
  };
  return children();
}

function toContainer(token: Token, children: ComponentChildren[]): ComponentChildren {
  if (token.type === 'link_open') return toLink(String(token.attrGet('href')), children);
  // Paragraphs in a tight list.
  if (token.type === 'paragraph_open' && token.hidden) return children;
  if (token.type === 'heading_open') {
    // The page itself uses h1 and h2.
    const Heading = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}` as 'h3';
    return <Heading dir="auto">{children}</Heading>;
  }
  if (token.type === 'ordered_list_open') {
    return <ol start={Number(token.attrGet('start') ?? 1)}>{children}</ol>;
  }
  if (token.type === 'table_open') {
    return (
      <div class="wide" tabIndex={0} role="group">
        <table>{children}</table>
      </div>
    );
  }
  const Container = (containers[token.type] ?? 'span') as 'p';
  return <Container dir="auto">{children}</Container>;
}

function toLeaf(token: Token): ComponentChildren {
  switch (token.type) {
    case 'inline':
      return toElements(token.children ?? []);
    case 'fence':
    case 'code_block':
      return <CodeBlock text={token.content} />;
    case 'code_inline':
      return <code>{token.content}</code>;
    case 'softbreak':
    case 'hardbreak':
      return <br />;
    case 'hr':
      return <hr />;
    case 'image':
      return `![${token.content}](${token.attrGet('src') ?? ''})`;
    default:
      return token.content;
  }
}

function toLink(href: string, children: ComponentChildren[]): ComponentChildren {
  const runbook = /^(?:\.\/)?([A-Za-z]+)\.md$/.exec(href)?.[1];
  if (runbook !== undefined) return <a href={linkTo('runbooks', runbook)}>{children}</a>;
  if (!/^(https?:|mailto:)/i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}

function CodeBlock({ text }: { text: string }): VNode {
  return (
    <div class="code">
      <pre tabIndex={0}>
        <code>{text}</code>
      </pre>
      <CopyButton text={text} />
    </div>
  );
}
