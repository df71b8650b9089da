/** OpenAI's tools: selects the tools that the prompt lists, and the format of the answer. Used by chat completions. */
import { z } from 'zod';
import type { AnswerFormat, Tool } from '../../engine/engine.ts';
import { describe, refuseField } from '../body.ts';
import { toFormat, type ResponseFormat, unsupported } from './fields.ts';

// OpenAI's limits: 128 tools, names of 64 characters.
const ToolDefinition = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z
      .string()
      .regex(/^[\w-]{1,64}$/, { error: 'expected 1 to 64 letters, digits, "_" or "-"' }),
    description: z.string().nullish(),
    parameters: z.record(z.string(), z.unknown()).nullish(),
    strict: z.boolean().nullish(),
  }),
});

const NamedChoice = z.object({
  type: z.literal('function'),
  function: z.object({ name: z.string() }),
});

const useTools = 'use tools and tool_choice';

export const ToolFields = z.object({
  tools: z.array(ToolDefinition).max(128).nullish(),
  tool_choice: z
    .union([z.enum(['none', 'auto', 'required']), NamedChoice], {
      error: 'expected "none", "auto", "required" or {"type":"function","function":{"name":"..."}}',
    })
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: unsupported(useTools),
  function_call: unsupported(useTools),
});

interface ToolsAndFormat {
  tools?: readonly Tool[];
  format?: AnswerFormat;
}

type Fields = z.infer<typeof ToolFields> & {
  response_format?: z.infer<typeof ResponseFormat> | null | undefined;
};

/** With tools and a JSON format the answer is calls, or JSON. @throws ChatError `bad_request` for fields that cannot be combined. */
export function toToolsAndFormat(fields: Fields): ToolsAndFormat {
  const definitions = (fields.tools ?? []).map(toTool);
  const tools = definitions.map(withoutStrict);
  const format = toFormat(fields.response_format);
  const choice = fields.tool_choice ?? 'auto';
  if (tools.length === 0) {
    if (choice !== 'auto' && choice !== 'none') {
      throw refuseField('tool_choice', 'expected "none" or "auto" without tools');
    }
    return format === undefined ? {} : { format };
  }
  refuseDuplicates(tools);
  // The prompt still lists the tools, but the answer is text.
  if (choice === 'none') return format === undefined ? { tools } : { tools, format };
  const calls = toCallFormat(definitions, choice, fields.parallel_tool_calls ?? true);
  return { tools, format: format === undefined ? calls : { ...calls, otherwise: format } };
}

type Choice = Exclude<NonNullable<Fields['tool_choice']>, 'none'>;

function toCallFormat(
  tools: readonly Tool[],
  choice: Choice,
  parallel: boolean,
): AnswerFormat & { kind: 'tool_calls' } {
  if (typeof choice === 'string') return { kind: 'tool_calls', tools, choice, parallel };
  const named = tools.filter((tool) => tool.name === choice.function.name);
  if (named.length === 0) {
    throw refuseField('tool_choice.function.name', 'expected the name of one of the tools');
  }
  return { kind: 'tool_calls', tools: named, choice: 'required', parallel: false };
}

function toTool({ function: given }: z.infer<typeof ToolDefinition>, index: number): Tool {
  const parameters = { type: 'object', ...given.parameters };
  if (parameters.type !== 'object') {
    throw refuseField(
      `tools.${index}.function.parameters.type`,
      `expected "object", got ${describe(parameters.type)}`,
    );
  }
  const description = given.description ?? '';
  return {
    name: given.name,
    parameters,
    ...(description === '' ? {} : { description }),
    ...(given.strict === true ? { strict: true } : {}),
  };
}

/** What the prompt lists: `strict` is about the grammar only. */
function withoutStrict({ name, description, parameters }: Tool): Tool {
  return { name, parameters, ...(description === undefined ? {} : { description }) };
}

function refuseDuplicates(tools: readonly Tool[]): void {
  const names = tools.map((tool) => tool.name);
  const duplicate = names.findIndex((name, index) => names.indexOf(name) !== index);
  if (duplicate === -1) return;
  throw refuseField(`tools.${duplicate}.function.name`, 'expected a unique name');
}
