/** The tools of chat completions. */
import { z } from 'zod';
import {
  chooseFormat,
  maxTools,
  toolName,
  toolNameError,
  ToolParameters,
  toTool,
} from '../tools.ts';
import type { ToolChoice, ToolsAndFormat } from '../tools.ts';
import { toConstrained, type ConstraintFields } from './constraints.ts';
import { toFormat, type ResponseFormat, unsupported } from './fields.ts';

const ToolDefinition = z.object({
  type: z.literal('function'),
  function: z.object({
    name: z.string().regex(toolName, { error: toolNameError }),
    description: z.string().nullish(),
    parameters: ToolParameters.nullish(),
    strict: z.boolean().nullish(),
  }),
});

const NamedChoice = z.object({
  type: z.literal('function'),
  function: z.object({ name: z.string() }),
});

const useTools = 'use tools and tool_choice';

export const ToolFields = z.object({
  tools: z.array(ToolDefinition).max(maxTools).nullish(),
  tool_choice: z
    .union([z.enum(['none', 'auto', 'required']), NamedChoice], {
      error: 'expected "none", "auto", "required" or {"type":"function","function":{"name":"..."}}',
    })
    .nullish(),
  parallel_tool_calls: z.boolean().nullish(),
  functions: unsupported(useTools),
  function_call: unsupported(useTools),
});

type Fields = z.infer<typeof ToolFields> &
  z.infer<typeof ConstraintFields> & {
    response_format?: z.infer<typeof ResponseFormat> | null | undefined;
  };

/** @throws ChatError `bad_request` for fields that cannot be combined. */
export function toToolsAndFormat(fields: Fields): ToolsAndFormat {
  const choice = fields.tool_choice ?? 'auto';
  const isNamed = typeof choice !== 'string';
  return chooseFormat({
    tools: (fields.tools ?? []).map((tool) => toTool(tool.function)),
    choice: isNamed ? toNamed(choice.function.name) : choice,
    parallel: !isNamed && (fields.parallel_tool_calls ?? true),
    format: toConstrained(toFormat(fields.response_format), fields),
    fields: {
      name: (index) => `tools.${index}.function.name`,
      choice: 'tool_choice.function.name',
    },
  });
}

export function toNamed(name: string): ToolChoice {
  return { only: [name], mode: 'required' };
}
