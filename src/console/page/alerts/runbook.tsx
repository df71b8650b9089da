/** The runbook of an alert: on its card, and as a view of its own for links from panels. */
import type { VNode } from 'preact';
import { useEffect, useState } from 'preact/hooks';
import { getText, type Result } from '../client.ts';
import { FailureMessage } from '../failure-message.tsx';
import { Markdown } from '../markdown.tsx';
import { language, type Language } from '../preferences.ts';
import { linkTo } from '../route.ts';
import { useStore } from '../store.ts';
import { useTexts } from '../texts/texts.ts';
import { useTitle } from '../title.ts';

export function Runbook({ name }: { name: string }): VNode | null {
  const current = useStore(language);
  const [loaded, setLoaded] = useState<Result<string>>();
  useEffect(() => {
    const end = new AbortController();
    getText(`/api/runbooks/${encodeURIComponent(name)}`, end.signal)
      .then(setLoaded)
      .catch(() => undefined);
    return () => end.abort();
  }, [name]);
  if (loaded === undefined) return null;
  if (!loaded.ok) return <FailureMessage failure={loaded.failure} />;
  return (
    <div class="runbook">
      <Markdown text={inLanguage(addExtensions(loaded.value), current)} linkFile={linkToRunbook} />
    </div>
  );
}

function linkToRunbook(name: string): string {
  return linkTo('runbooks', name);
}

/** Adds `.md` to links between runbooks, because `Markdown` recognizes such links by this ending. */
function addExtensions(page: string): string {
  return page.replaceAll(/\]\(([A-Z][A-Za-z]+)\)/g, ']($1.md)');
}

/** A runbook has an English part, then a Chinese part below this heading. */
const chineseHeading = /^## 中文\s*$/m;

function inLanguage(page: string, current: Language): string {
  const [english = '', chinese] = page.split(chineseHeading);
  if (current === 'en' || chinese === undefined) return english;
  return `${/^# .*$/m.exec(english)?.[0] ?? ''}\n${chinese}`;
}

export function RunbookView({ name }: { name: string }): VNode {
  const t = useTexts();
  useTitle(`${name} · ${t.runbook}`);
  return (
    <main class="page" id="content">
      <header class="page-head">
        <h1>
          <a href={linkTo('alerts')}>{t.alerts}</a> / {t.runbook}
        </h1>
      </header>
      <div class="card padded">
        <Runbook name={name} />
      </div>
    </main>
  );
}
