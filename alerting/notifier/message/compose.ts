/** A message for one channel: the built-in text, or the templates that NOTIFIER_CONFIG has for the channel or its routes. */
import type { Channel, OwnTexts } from '../channels/channel.ts';
import { findRoute } from '../routes.ts';
import type { Route } from '../routes.ts';
import type { Payload } from '../webhook.ts';
import { headings, writeWhole } from './markdown.ts';
import { cutTitle, renderMessage } from './message.ts';
import type { Message, MessageOptions } from './message.ts';
import { texts } from './message-texts.ts';
import { firstLine, parseTemplate } from './template.ts';
import type { Template } from './template.ts';

/** A notification, or several in a digest. */
export type Composed = readonly { route: string; payload: Payload }[];

export interface Composition {
  message: Message;
  /** One sentence for each template that failed; the message has the built-in text instead. */
  failures: string[];
}

export type Composer = (notifications: Composed, given?: OwnTexts) => Composition;

interface Parsed {
  title: Template | undefined;
  body: Template | undefined;
}

/** A template of a route is preferred to one of the channel, if all alerts of the message have the same. */
export function createComposer(
  channel: Pick<Channel, 'name' | 'style' | 'texts'>,
  routes: readonly Route[],
  options: MessageOptions,
): Composer {
  const { style = headings } = channel;
  const parse = ({ title, body }: OwnTexts): Parsed => ({
    title: title === undefined ? undefined : parseTemplate(title),
    body: body === undefined ? undefined : parseTemplate(body, style.escape),
  });
  const own = parse(channel.texts ?? {});
  const ofRoutes = new Map(routes.map((route) => [route, parse(route)]));
  const words = texts[options.locale];

  function choose(notifications: Composed, part: keyof Parsed): Template | undefined {
    const chosen = notifications.flatMap(({ route, payload }) =>
      payload.alerts.map((alert) => {
        const found = isOwn(payload)
          ? undefined
          : findRoute(routes, route, alert.labels, channel.name);
        return (found && ofRoutes.get(found)?.[part]) ?? own[part];
      }),
    );
    return chosen.every((one) => one === chosen[0]) ? chosen[0] : own[part];
  }

  return (notifications, given) => {
    const message = renderMessage(
      notifications.map(({ payload }) => payload),
      options,
    );
    const tried = given && parse(given);
    const title = tried?.title ?? choose(notifications, 'title');
    const body = tried?.body ?? choose(notifications, 'body');
    if (title === undefined && body === undefined) return { message, failures: [] };
    const failures: string[] = [];
    const facts = { ...message.facts(), notes: message.notes, text: bodyOf(message, style) };
    const render = (part: keyof Parsed, template: Template | undefined): string | undefined => {
      if (template === undefined) return undefined;
      const rendered = tryRender(template, facts);
      if ('text' in rendered) return rendered.text;
      failures.push(`the ${part} template of channel ${channel.name}${rendered.problem}`);
      message.notes.push(words.templateFailed(part));
      return undefined;
    };
    const newTitle = render('title', title);
    // The note about a failed title belongs to the built-in body.
    facts.text = bodyOf(message, style);
    const newBody = render('body', body);
    return {
      message: {
        ...message,
        ...(newTitle !== undefined && { title: cutTitle(newTitle) }),
        ...(newBody !== undefined && { body: newBody }),
      },
      failures,
    };
  };
}

function tryRender(template: Template, facts: object): { text: string } | { problem: string } {
  try {
    const text = template(facts).trim();
    return text === '' ? { problem: ' gave no text' } : { text };
  } catch (error) {
    return { problem: `: ${firstLine(error)}` };
  }
}

const isOwn = ({ origin }: Payload): boolean => origin === 'notifier';

/** The built-in text in the channel's markup, without the title. */
function bodyOf(message: Message, style: NonNullable<Channel['style']>): string {
  const { title: _, ...untitled } = style;
  return writeWhole(message, untitled);
}
