/** Any output of a model stays text in the console: nothing runs, nothing is fetched, the layout holds. */
import type { Locator, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { startChatService, type ChatService } from '../../support/api/chat-service.ts';
import { useConsoleBrowser } from '../../support/console/browser.ts';
import { answered, answers, ask, writeModel } from '../../support/console/chat.ts';

const said = `# Heading

**bold**, *slanted*, ~~struck~~ and \`a < b\`.

1. first
2. second

| left | right |
|------|-------|
| 1 | 2 |

\`\`\`html
<script>hacked = 1</script>
\`\`\`

<script>window.hacked = 'script'</script>
<img src=x onerror="window.hacked = 'img'"><svg onload="window.hacked = 'svg'"></svg>
<iframe srcdoc="<script>parent.hacked = 'frame'</script>"></iframe>
<form action="/v1"><button>Send</button></form><style>* { display: none }</style>

![pixel](https://evil.example/pixel.png) [click](javascript:window.hacked='link')
[again](JaVaScRiPt:hacked=1) [and](&#106;avascript:hacked=1) [more](data:text/html,hi) [there](//evil.example)
[fine](https://example.com/?a=1&b=2) https://example.org/plain [a page](./QueueBacklog.md) [readme](README.md)

שלום עולם, ‮the other way round

nul: [\0], bell: [\u0007], half: é

End.`;

/** The file name is markup too. */
const fileName = '<img src=x onerror=hacked=1>';
const browser = useConsoleBrowser();
let model: ReturnType<typeof writeModel>;
let service: ChatService;

beforeAll(async () => {
  model = writeModel(said, { name: fileName });
  service = await startChatService({ CHAT_MODEL: model.file });
});
afterAll(async () => {
  await service.stop();
  model.remove();
});

const forbidden = 'script, img, svg, iframe, form, style, object, embed, link, [onerror], [onload]';

async function expectInert(page: Page, place: Locator): Promise<void> {
  expect(await place.locator(forbidden).count()).toBe(0);
  expect(await page.evaluate(() => 'hacked' in window)).toBe(false);
}

describe('the output of a model', () => {
  let page: Page;
  let content: Locator;
  const open = async (): Promise<void> => {
    page = await browser.open(service.url);
    await ask(page, '<img src=x onerror=hacked=1>');
    content = (await answered(page)).locator('.markdown');
    await content.getByText('End.').waitFor();
  };

  test('is rendered as Markdown, with links to the web only', async () => {
    await open();
    expect(await content.getByRole('heading', { level: 3 }).innerText()).toBe('Heading');
    expect(await content.locator('strong').innerText()).toBe('bold');
    expect(await content.locator('em').innerText()).toBe('slanted');
    expect(await content.locator('s').innerText()).toBe('struck');
    expect(await content.locator('p code').innerText()).toBe('a < b');
    expect(await content.locator('ol > li').allInnerTexts()).toEqual(['first', 'second']);
    expect(await content.getByRole('cell').allInnerTexts()).toEqual(['1', '2']);
    expect(await content.locator('pre code').innerText()).toBe('<script>hacked = 1</script>\n');
    const links = await content
      .getByRole('link')
      .evaluateAll((found) => found.map((link) => [link.textContent, link.getAttribute('href')]));
    expect(links).toEqual([
      ['fine', 'https://example.com/?a=1&b=2'],
      ['https://example.org/plain', 'https://example.org/plain'],
    ]);
    expect(await content.getByRole('link', { name: 'fine' }).getAttribute('rel')).toBe(
      'noopener noreferrer nofollow',
    );
  });

  test('shows HTML as text, while streaming and after a reload', async () => {
    await open();
    await expectInert(page, content);
    const text = await content.innerText();
    expect(text).toContain(`<script>window.hacked = 'script'</script>`);
    expect(text).toContain(`<img src=x onerror="window.hacked = 'img'">`);
    expect(text).toContain('![pixel](https://evil.example/pixel.png)');
    await page.reload();
    await content.getByText('End.').waitFor();
    expect(await content.innerText()).toBe(text);
    await expectInert(page, content);
  });

  test('with right-to-left text affects no other line, and shows NUL', async () => {
    await open();
    const directions = await content.evaluate((element) => {
      const rightToLeft = [...element.children].find((child) => child.textContent.includes('שלום'));
      const next = rightToLeft!.nextElementSibling!;
      return [rightToLeft!, next, element.parentElement!.querySelector('footer')!].map(
        (each) => getComputedStyle(each).direction,
      );
    });
    expect(directions).toEqual(['rtl', 'ltr', 'ltr']);
    const text = await content.innerText();
    expect(text).toContain('nul: [\uFFFD]');
    expect(text).not.toContain('\0');
  });

  test('stays text in the question, the title and the name of the model too', async () => {
    await open();
    await page.getByRole('navigation', { name: 'Conversations' }).getByText(fileName).waitFor();
    await page.getByRole('group', { name: 'Service status' }).getByText(fileName).waitFor();
    expect(await page.locator('img').count()).toBe(0);
    await page.getByRole('link', { name: 'Traces' }).click();
    await page.getByRole('heading', { name: 'Traces' }).waitFor();
    await expectInert(page, page.locator('#page main'));
  });
});

/** Replaces the answer of the service by `pieces`. */
async function say(
  page: Page,
  pieces: readonly string[],
  last = 'data: [DONE]\n\n',
): Promise<void> {
  const frames = pieces.map(
    (content) => `data: ${JSON.stringify({ choices: [{ delta: { content } }] })}\n\n`,
  );
  await page.route('**/v1/chat/completions', (route) =>
    route.fulfill({ contentType: 'text/event-stream', body: frames.join('') + last }),
  );
}

async function openSaying(pieces: readonly string[], last?: string): Promise<Page> {
  const page = await browser.open(service.url);
  await say(page, pieces, last);
  await ask(page, 'Go');
  return page;
}

function sideways(page: Page): Promise<number> {
  return page.locator('.messages').evaluate((list) => list.scrollWidth - list.clientWidth);
}

describe('an answer made by the test', () => {
  const size = 100_000;

  test.each([
    ['a line of 100 KB', ['x'.repeat(size)]],
    ['a line of 100 KB in many pieces', Array.from({ length: 1000 }, () => 'y'.repeat(100))],
    ['halves of characters', ['\uD83D', '\uDE00 \uD800 \uDC00']],
  ])('%s is shown, and the page still works', async (_, pieces) => {
    const page = await openSaying(pieces);
    const answer = await answered(page);
    const shown = await answer.locator('.markdown').evaluate((element) => element.textContent);
    expect(shown).toBe(pieces.join(''));
    expect(await sideways(page)).toBe(0);
    await ask(page, 'And now?');
    await answers(page).nth(1).waitFor();
  });

  test('input that is slow for some Markdown parsers is shown, and the page still works', async () => {
    const texts = [
      '['.repeat(size),
      '[a]('.repeat(size / 4),
      '>'.repeat(size),
      '*a_'.repeat(size / 3),
      'www.a'.repeat(size / 5),
      `${'|a'.repeat(1000)}\n${'|-'.repeat(1000)}\n`.padEnd(size, '|b'),
      Array.from({ length: 440 }, (_, length) => '`'.repeat(length)).join(' '),
    ];
    const page = await browser.open(service.url);
    for (const text of texts) {
      await page.unrouteAll();
      await say(page, [text]);
      await ask(page, 'Go on');
      const answer = await answered(page);
      expect(await answer.getAttribute('class'), text.slice(0, 40)).toContain('done');
      expect(await sideways(page), text.slice(0, 40)).toBe(0);
    }
    expect(await answers(page).count()).toBe(texts.length);
  });

  test('right-to-left text has its bullets, bars and columns on the right, and its code from left to right', async () => {
    const arabic = 'مرحبا بالعالم';
    const page = await openSaying([
      `- ${arabic}\n- ${arabic}\n\n1. ${arabic}\n\n> ${arabic}\n\n| ${arabic} | ب |\n|---|---|\n| أ | ب |\n\n${arabic} \`--flag=x.y\`\n\n\`\`\`sh\n${arabic} --flag\n\`\`\`\n\nplain`,
    ]);
    const content = (await answered(page)).locator('.markdown');
    const directions = await content.evaluate((element) =>
      ['ul', 'ol', 'blockquote', 'table', 'p code', 'pre', ':scope > p:last-child'].map(
        (selector) => getComputedStyle(element.querySelector(selector)!).direction,
      ),
    );
    expect(directions).toEqual(['rtl', 'rtl', 'rtl', 'rtl', 'ltr', 'ltr', 'ltr']);
    const sides = await content.evaluate((element) => {
      const { paddingRight } = getComputedStyle(element.querySelector('ul')!);
      const { borderRightWidth, borderLeftWidth } = getComputedStyle(
        element.querySelector('blockquote')!,
      );
      const [first, second] = element.querySelectorAll('td');
      const isMirrored = first!.getBoundingClientRect().left > second!.getBoundingClientRect().left;
      return [Number.parseFloat(paddingRight) > 20, borderRightWidth, borderLeftWidth, isMirrored];
    });
    expect(sides).toEqual([true, '3px', '0px', true]);
  });

  test('the button of a code block covers no line of it', async () => {
    const page = await openSaying([`\`\`\`sh\n${'make up && '.repeat(40)}\n\`\`\`\n`]);
    const block = (await answered(page)).locator('.code');
    const copy = (await block.getByRole('button', { name: 'Copy' }).boundingBox())!;
    const code = (await block.locator('pre').boundingBox())!;
    expect(copy.y + copy.height).toBeLessThanOrEqual(code.y);
    expect(await block.innerText()).toContain('sh');
    const size = await block.locator('code').evaluate((it) => getComputedStyle(it).fontSize);
    expect(Number.parseFloat(size)).toBeGreaterThanOrEqual(12);
  });

  test('a stream without an end is marked as interrupted', async () => {
    const page = await openSaying(['Half of'], '');
    const text = await (await answered(page)).innerText();
    expect(text).toContain('Half of');
    expect(text).toContain('The answer was interrupted. The connection was lost.');
  });

  test('a chunk that is not JSON interrupts the answer, not the page', async () => {
    const page = await openSaying(['Half of'], 'data: <script>hacked=1</script>\n\n');
    expect(await (await answered(page)).innerText()).toContain('The answer was interrupted.');
    await expectInert(page, answers(page));
  });
});
