/** The tools of a request, whichever API it speaks: what the prompt lists, and the format of the answer. */
import { z } from 'zod';
import type { AnswerFormat, JsonFormat, Tool } from '../engine/engine.ts';
import { refuseField } from './body.ts';

// OpenAI's limits.
export const maxTools = 128;
export const toolName = /^[\w-]{1,64}$/;
export const toolNameError = 'expected 1 to 64 letters, digits, "_" or "-"';

/** The JSON Schema of a tool's arguments, which are an object. */
export const ToolParameters = z.looseObject({
  type: z.literal('object', { error: 'expected "object"' }).optional(),
});

/** `only`: the tools that may be called. */
export type ToolChoice =
  | 'none'
  | 'auto'
  | 'required'
  | { only: readonly string[]; mode: 'auto' | 'required' };

export interface RequestedTools {
  tools: readonly Tool[];
  choice: ToolChoice;
  /** Whether one answer may have several calls. */
  parallel: boolean;
  format?: JsonFormat | undefined;
  /** The field of a tool's name, and of the names in the choice. */
  fields: { name(index: number): string; choice: string };
}

export interface ToolsAndFormat {
  tools?: readonly Tool[];
  format?: AnswerFormat;
}

/** With tools and a JSON format the answer is calls, or JSON. @throws ChatError `bad_request` for fields that cannot be combined. */
export function chooseFormat(requested: RequestedTools): ToolsAndFormat {
  const { tools: definitions, choice, format, fields } = requested;
  if (definitions.length === 0) {
    if (choice !== 'auto' && choice !== 'none') {
      throw refuseField('tool_choice', 'expected "none" or "auto" without tools');
    }
    return format === undefined ? {} : { format };
  }
  refuseDuplicates(definitions, fields);
  const tools = definitions.map(withoutStrict);
  // The prompt still lists the tools, but the answer is text.
  if (choice === 'none') return format === undefined ? { tools } : { tools, format };
  const calls = toCallFormat(requested, choice);
  return { tools, format: format === undefined ? calls : { ...calls, otherwise: format } };
}

function toCallFormat(
  { tools, parallel, fields }: RequestedTools,
  choice: Exclude<ToolChoice, 'none'>,
): AnswerFormat & { kind: 'tool_calls' } {
  if (typeof choice === 'string') return { kind: 'tool_calls', tools, choice, parallel };
  const allowed = tools.filter(({ name }) => choice.only.includes(name));
  const known = new Set(tools.map(({ name }) => name));
  if (allowed.length === 0 || !choice.only.every((name) => known.has(name))) {
    throw refuseField(fields.choice, 'expected the name of one of the tools');
  }
  return { kind: 'tool_calls', tools: allowed, choice: choice.mode, parallel };
}

/** A tool of a request. */
export function toTool(given: {
  name: string;
  description?: string | null | undefined;
  parameters?: z.infer<typeof ToolParameters> | null | undefined;
  strict?: boolean | null | undefined;
}): Tool {
  const parameters = { type: 'object', ...given.parameters };
  const description = given.description ?? '';
  return {
    name: given.name,
    parameters,
    ...(description === '' ? {} : { description }),
    ...(given.strict === true ? { strict: true } : {}),
  };
}

/** The tools as the prompt lists them, without `strict`, which concerns the grammar only. */
function withoutStrict({ name, description, parameters }: Tool): Tool {
  return { name, parameters, ...(description === undefined ? {} : { description }) };
}

function refuseDuplicates(tools: readonly Tool[], fields: RequestedTools['fields']): void {
  const seen = new Set<string>();
  for (const [index, { name }] of tools.entries()) {
    if (seen.has(name)) throw refuseField(fields.name(index), 'expected a unique name');
    seen.add(name);
  }
}
