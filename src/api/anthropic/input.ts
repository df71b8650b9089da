/** The conversation and tools of Anthropic's Messages API, checked and converted for the chat template. */
import { z } from 'zod';
import type { ChatMessage, JsonFormat, Prompt } from '../../engine/engine.ts';
import {
  chooseFormat,
  maxTools,
  toolName,
  toolNameError,
  ToolParameters,
  toTool,
} from '../tools.ts';
import type { ToolChoice, ToolsAndFormat } from '../tools.ts';
import { ConstraintFields, NoReportFields, toConstrained } from '../openai/constraints.ts';
import { unsupported } from '../openai/fields.ts';
import { maxMessages, unknownCall } from '../openai/messages.ts';
import { toPrompt } from '../prompt.ts';

const TextBlock = z.object({
  type: z.literal('text', { error: 'expected "text", the only supported content' }),
  text: z.string(),
});

const Texts = z.union([z.string(), z.array(TextBlock)], {
  error: 'expected a string or an array of {"type":"text","text":"..."} blocks',
});

const id = z.string().min(1).max(256);

const ThinkingBlock = z
  .object({ type: z.enum(['thinking', 'redacted_thinking']) })
  .meta({ description: 'Accepted and ignored.' });

const QuestionBlock = z.discriminatedUnion(
  'type',
  [
    TextBlock,
    z.object({
      type: z.literal('tool_result'),
      tool_use_id: id,
      content: Texts.nullish(),
      is_error: z.boolean().nullish(),
    }),
    ThinkingBlock,
  ],
  { error: 'expected a "type" of "text" or "tool_result"; "tool_use" is for the role "assistant"' },
);

const AnswerBlock = z.discriminatedUnion(
  'type',
  [
    TextBlock,
    z.object({
      type: z.literal('tool_use'),
      id,
      name: z.string().min(1).max(64),
      input: z.record(z.string(), z.unknown()),
    }),
    ThinkingBlock,
  ],
  { error: 'expected a "type" of "text" or "tool_use"; "tool_result" is for the role "user"' },
);

const error = 'expected a string or an array of blocks';
const Message = z.discriminatedUnion(
  'role',
  [
    z.object({
      role: z.enum(['user', 'system']),
      content: z.union([z.string(), z.array(QuestionBlock)], { error }),
    }),
    z.object({
      role: z.literal('assistant'),
      content: z.union([z.string(), z.array(AnswerBlock)], { error }),
    }),
  ],
  { error: 'expected "user", "assistant" or "system"' },
);

const ToolDefinition = z.object({
  type: z.literal('custom', { error: 'expected "custom", the only kind of tool served' }).nullish(),
  name: z.string().regex(toolName, { error: toolNameError }),
  description: z.string().nullish(),
  input_schema: ToolParameters,
  strict: z.boolean().nullish(),
});

const parallel = { disable_parallel_tool_use: z.boolean().nullish() };

const JsonOutput = z.object({
  type: z.literal('json_schema'),
  schema: z.record(z.string(), z.unknown()),
});

export const ConversationFields = z.object({
  model: z.string().max(256).nullish(),
  messages: z.array(Message).min(1).max(maxMessages),
  system: Texts.nullish(),
  tools: z.array(ToolDefinition).max(maxTools).nullish(),
  tool_choice: z
    .discriminatedUnion(
      'type',
      [
        z.object({ type: z.enum(['auto', 'any']), ...parallel }),
        z.object({ type: z.literal('none') }),
        z.object({ type: z.literal('tool'), name: z.string(), ...parallel }),
      ],
      { error: 'expected a "type" of "auto", "any", "tool" or "none"' },
    )
    .nullish(),
  output_config: z.object({ format: JsonOutput.nullish(), effort: z.string().nullish() }).nullish(),
  thinking: z
    .object({ type: z.string() })
    .nullish()
    .meta({ description: 'Accepted and ignored: the models served here do not think.' }),
  ...ConstraintFields.shape,
  ...NoReportFields.shape,
  mcp_servers: unsupported('send tools'),
  container: unsupported('this service runs no code'),
});

type Fields = z.infer<typeof ConversationFields>;

export interface Conversation extends Pick<ToolsAndFormat, 'format'> {
  prompt: Prompt;
}

/** @throws ChatError `bad_request` for a result without its call, or tools that cannot be combined. */
export function toConversation(fields: Fields): Conversation {
  const { tools, format } = toToolsAndFormat(fields);
  const messages = toMessages(fields);
  return {
    prompt: toPrompt(messages, tools),
    ...(format === undefined ? {} : { format }),
  };
}

function toToolsAndFormat(fields: Fields): ToolsAndFormat {
  const { tool_choice: choice, output_config: output } = fields;
  const isParallel =
    choice?.type !== 'none' &&
    choice?.type !== 'tool' &&
    choice?.disable_parallel_tool_use !== true;
  return chooseFormat({
    tools: (fields.tools ?? []).map(({ input_schema: parameters, ...tool }) =>
      toTool({ ...tool, parameters }),
    ),
    choice: toChoice(choice),
    parallel: isParallel,
    format: toConstrained(toFormat(output?.format), fields),
    fields: { name: (index) => `tools.${index}.name`, choice: 'tool_choice.name' },
  });
}

function toChoice(choice: Fields['tool_choice']): ToolChoice {
  if (choice?.type === 'tool') return { only: [choice.name], mode: 'required' };
  if (choice?.type === 'any') return 'required';
  return choice?.type ?? 'auto';
}

function toFormat(format: z.infer<typeof JsonOutput> | null | undefined): JsonFormat | undefined {
  if (!format) return undefined;
  return { kind: 'json_schema', schema: format.schema, strict: true };
}

function toMessages({ system, messages: given }: Fields): ChatMessage[] {
  const messages: ChatMessage[] = [];
  const calls = new Set<string>();
  const systemText = toText(system ?? '');
  if (systemText !== '') messages.push({ role: 'system', content: systemText });
  for (const [index, message] of given.entries()) {
    const { role } = message;
    if (typeof message.content === 'string') messages.push({ role, content: message.content });
    else if (message.role === 'assistant') messages.push(toAnswer(message.content, calls));
    else {
      const path = `messages.${index}.content`;
      messages.push(...toQuestion(message.content, message.role, path, calls));
    }
  }
  return messages;
}

type QuestionBlocks = readonly z.infer<typeof QuestionBlock>[];
type AnswerBlocks = readonly z.infer<typeof AnswerBlock>[];

function toAnswer(blocks: AnswerBlocks, calls: Set<string>): ChatMessage {
  const toolCalls = blocks.flatMap((block) => {
    if (block.type !== 'tool_use') return [];
    calls.add(block.id);
    return [{ id: block.id, name: block.name, arguments: block.input }];
  });
  const content = textOf(blocks);
  return toolCalls.length === 0
    ? { role: 'assistant', content }
    : { role: 'assistant', content, toolCalls };
}

/** Results first, as their order in the blocks: a chat template expects each result as a message of its own. */
function toQuestion(
  blocks: QuestionBlocks,
  role: 'user' | 'system',
  path: string,
  calls: ReadonlySet<string>,
): ChatMessage[] {
  const results = blocks.flatMap((block, index): ChatMessage[] => {
    if (block.type !== 'tool_result') return [];
    const { tool_use_id: toolCallId } = block;
    if (!calls.has(toolCallId)) throw unknownCall(`${path}.${index}.tool_use_id`, toolCallId);
    return [{ role: 'tool', content: toText(block.content ?? ''), toolCallId }];
  });
  const content = textOf(blocks);
  return results.length > 0 && content === '' ? results : [...results, { role, content }];
}

function textOf(blocks: QuestionBlocks | AnswerBlocks): string {
  return toText(blocks.filter((block) => block.type === 'text'));
}

function toText(content: z.infer<typeof Texts>): string {
  return typeof content === 'string' ? content : content.map(({ text }) => text).join('');
}
