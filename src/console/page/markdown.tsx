/**
 * Renders Markdown of answers and runbooks. No text becomes HTML: markdown-it only tokenizes, and its tokens become
 * elements here. Images and raw HTML stay text, so nothing is fetched.
 */
import MarkdownIt from 'markdown-it';
import type { ComponentChildren, VNode } from 'preact';
import { useMemo } from 'preact/hooks';
import { CodeBlock } from './copy-button.tsx';

const parser = new MarkdownIt({ html: false, linkify: true, breaks: true });

type Token = ReturnType<typeof parser.parse>[number];

/** Where a link to another file leads, such as `QueueBacklog.md`. Without it, such links are text. */
type LinkFile = ((name: string) => string) | undefined;

/** @param text untrusted: from a model or a file */
export function Markdown({ text, linkFile }: { text: string; linkFile?: LinkFile }): VNode {
  const content = useMemo(() => toElements(parser.parse(text, {}), linkFile), [text, linkFile]);
  return <div class="markdown">{content}</div>;
}

/** Builds a tree from markdown-it's flat list of opening, closing and single tokens. */
function toElements(tokens: readonly Token[], linkFile: LinkFile): ComponentChildren[] {
  let at = 0;
  const children = (): ComponentChildren[] => {
    const found: ComponentChildren[] = [];
    while (at < tokens.length) {
      const token = tokens[at]!;
      at += 1;
      if (token.nesting === -1) break;
      found.push(
        token.nesting === 1 ? toContainer(token, children(), linkFile) : toLeaf(token, linkFile),
      );
    }
    return found;
  };
  return children();
}

function toContainer(
  token: Token,
  children: ComponentChildren[],
  linkFile: LinkFile,
): ComponentChildren {
  if (token.type === 'link_open') return toLink(String(token.attrGet('href')), children, linkFile);
  // The outermost block takes the direction of its text: `auto` ignores descendants that have a `dir` of their own.
  const dir = token.block && token.level === 0 ? 'auto' : undefined;
  // Paragraphs in a tight list.
  if (token.type === 'paragraph_open' && token.hidden) return children;
  if (token.type === 'heading_open') {
    // The page itself uses h1 and h2.
    const Heading = `h${Math.min(6, Number(token.tag.slice(1)) + 2)}` as 'h3';
    return <Heading dir={dir}>{children}</Heading>;
  }
  if (token.type === 'ordered_list_open') {
    return (
      <ol start={Number(token.attrGet('start') ?? 1)} dir={dir}>
        {children}
      </ol>
    );
  }
  if (token.type === 'table_open') {
    return (
      <div class="wide" tabIndex={0} role="group" dir={dir}>
        <table>{children}</table>
      </div>
    );
  }
  // One of markdown-it's own names, such as `blockquote` or `em`.
  const Container = token.tag as 'p';
  return <Container dir={dir}>{children}</Container>;
}

function toLeaf(token: Token, linkFile: LinkFile): ComponentChildren {
  switch (token.type) {
    case 'inline':
      return toElements(token.children ?? [], linkFile);
    case 'fence':
    case 'code_block':
      return <CodeBlock text={token.content} language={token.info.split(/\s/, 1)[0]} />;
    case 'code_inline':
      return <code dir="ltr">{token.content}</code>;
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

function toLink(
  href: string,
  children: ComponentChildren[],
  linkFile: LinkFile,
): ComponentChildren {
  const file = /^(?:\.\/)?([A-Za-z]+)\.md$/.exec(href)?.[1];
  if (file !== undefined && linkFile !== undefined) return <a href={linkFile(file)}>{children}</a>;
  if (!/^(https?:|mailto:)/i.test(href)) return children;
  return (
    <a href={href} target="_blank" rel="noopener noreferrer nofollow">
      {children}
    </a>
  );
}
