/** One fault of the table, and what its functions share. */
import type { ChatService } from '../../support/api/chat-service.ts';
import { until } from '../../support/until.ts';

export interface World {
  folder: string;
  /** A model whose answers do not end, in `folder`. */
  model: string;
  service: ChatService;
}

export interface Fault {
  what: string;
  /** Before the start. @returns the reason why this machine cannot try it; undefined if it can. */
  prepare?(world: Omit<World, 'service'>): Promise<string | undefined>;
  /** Settings of the service, and the command before it. */
  start?(world: Omit<World, 'service'>): { env?: Record<string, string>; before?: string[] };
  strike(world: World): Promise<void>;
  /** What only an operator can see, as text. Throws if it is not there. */
  operator(world: World): Promise<string>;
  /** Ends the fault, if somebody has to. */
  heal?(world: World): Promise<void>;
  /** Who or what ends it. */
  healedBy?: string;
  /** Whether answers may be lost; otherwise every client must get its answer. */
  losesAnswers: boolean;
  dispose?(): Promise<void>;
}

/** Waits for a line of the log. @returns its text. */
export async function logged({ service, folder }: World, pattern: RegExp): Promise<string> {
  let found: string | undefined;
  await until(() => {
    found = service.log
      .map((line) => pattern.exec(line)?.[0])
      .findLast((text) => text !== undefined);
    return found !== undefined;
  }, 30);
  return found!.replaceAll('"', '').replaceAll(folder, '…');
}

/** Waits until the state of /readyz is as expected. @returns what it tells. */
export async function readiness({ service }: World, state: RegExp): Promise<string> {
  let text = '';
  await until(async () => {
    const answer = (await (await fetch(`${service.url}/readyz`)).json()) as {
      status: string;
      reason?: string;
    };
    text = `/readyz ${answer.status}${answer.reason === undefined ? '' : `: ${answer.reason}`}`;
    return state.test(text);
  }, 30);
  return text;
}
