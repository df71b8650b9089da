/** The model that this service serves, and the names that a request may use for it. */
import { ChatError } from '../errors.ts';

export interface ServedModel {
  id: string;
  /** Other names that a request may use. */
  aliases: readonly string[];
  /** CHAT_STRICT_MODEL: a request with another name is refused. Else it is answered, and the answer has the served model's name. */
  strict: boolean;
  /** CHAT_LENIENT_TOOLS: a tool call that is bare JSON is one. */
  lenientTools: boolean;
  title: string;
  /** Whether this is the built-in demo model. */
  demo: boolean;
  /** A sentence for users, such as why another model than the configured one is served. */
  notice?: string | undefined;
}

/** The model of a request. @throws ChatError `model_not_found` */
export function checkModel(model: ServedModel, requested: string | null | undefined): void {
  if (requested !== undefined && requested !== null && model.strict) findModel(model, requested);
}

/** @throws ChatError `model_not_found` */
export function findModel({ id, aliases }: ServedModel, requested: string): void {
  if (requested === id || aliases.includes(requested)) return;
  throw new ChatError(
    'model_not_found',
    `model: expected "${id}", the model served here (see GET /v1/models), or no name; got another name.`,
    { param: 'model' },
  );
}
