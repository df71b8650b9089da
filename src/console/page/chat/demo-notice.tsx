/** Notice that the built-in demo model is in use, with the command for a real one. */
import type { VNode } from 'preact';
import type { Status } from '../../server/answers.ts';
import { CopyButton } from '../copy-button.tsx';
import { useTexts } from '../texts/texts.ts';

const command = 'make model && make down && make up';

export function DemoNotice({ model }: { model: Status['model'] | undefined }): VNode | null {
  const t = useTexts();
  if (model?.demo !== true) return null;
  return (
    <aside class="notice" aria-label={t.demoTitle}>
      <p>
        <strong>{t.demoTitle}</strong> {t.demoHint}
      </p>
      <p>
        <code>{command}</code> <CopyButton text={command} />
      </p>
    </aside>
  );
}
