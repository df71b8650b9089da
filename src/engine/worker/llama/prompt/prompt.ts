/** Turns prompts into tokens, in slices: applies the chat template and tokenizes. Used by model.ts. */
import { LlamaVocabularyType, type LlamaModel, type Token } from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { ChatMessage, Prompt } from '../../../engine.ts';
import { chatMl, createChatTemplate } from './chat-template.ts';
import { createControlTokens, findMark } from './control-tokens.ts';
import { createSlicer } from './slices.ts';

/** The chat template of Qwen2.5 renders as many messages with a call each in 0.1 s (measured), in which no request gets a token. */
const maxMessages = 1024;

type TextPrompt = Exclude<Prompt, { kind: 'tokens' }>;

export type Prompts = ReturnType<typeof createPrompts>;

/** @throws Error for a model whose chat template cannot be parsed. */
export function createPrompts(model: LlamaModel, controlTokens: readonly Token[]) {
  const { bos, bosString, eosString, shouldPrependBosToken } = model.tokens;
  const control = createControlTokens(controlTokens.map((id) => model.detokenize([id], true)));
  const template = createChatTemplate({
    source: model.fileInfo.metadata.tokenizer.chat_template ?? chatMl,
    bosToken: bosString ?? '',
    eosToken: eosString ?? '',
  });
  const atWords = model.vocabularyType === LlamaVocabularyType.bpe;
  const slicers = {
    chat: createSlicer({ controlTokens: control.texts, atWords }),
    text: createSlicer({ controlTokens: [], atWords }),
  };

  const vocabulary = countVocabulary(model);

  /** Parts that are tokenized on their own. */
  function partsOf(prompt: TextPrompt): string[] {
    if (prompt.kind === 'text') return [prompt.text];
    const { messages: given, tools, continues = false } = prompt;
    checkCount(given);
    const mark = findMark(JSON.stringify({ messages: given, tools }), template.source);
    const messages = control.hide(given, mark);
    const before = continues ? messages.slice(0, -1) : messages;
    const text = template.render({ messages: before, tools: control.hide(tools, mark) });
    return (continues ? text + messages.at(-1)!.content : text).split(mark);
  }

  /** Ends early with more than `most` tokens. */
  function* tokenizeParts(prompt: TextPrompt, most: number): Generator<void, number[], void> {
    const tokens: number[] = [];
    for (const part of partsOf(prompt)) {
      for (const slice of slicers[prompt.kind](part)) {
        for (const token of model.tokenize(slice, prompt.kind === 'chat')) tokens.push(token);
        if (tokens.length > most) return tokens;
        yield;
      }
    }
    // The template may contain the BOS token.
    if (shouldPrependBosToken && bos !== null && tokens[0] !== bos) tokens.unshift(bos);
    return tokens;
  }

  /** @throws ChatError `bad_request` for a number that is no token id of this model. */
  function checkTokens(tokens: readonly number[], param: string): readonly number[] {
    const wrong = tokens.find((token) => token >= vocabulary);
    if (wrong === undefined) return tokens;
    throw new ChatError(
      'bad_request',
      `${param}: expected token ids from 0 to ${vocabulary - 1}, got ${wrong}. POST /tokenize returns the ids of a text.`,
      { param },
    );
  }

  return {
    /**
     * Works in slices of 1 to 3 ms and yields between them.
     * @throws ChatError `bad_request` for messages that the chat template refuses, and for a prompt without tokens or with more than
     * `most`.
     */
    *tokenize(prompt: Prompt, most = Infinity): Generator<void, readonly number[], void> {
      if (prompt.kind === 'tokens') return checkTokens(prompt.tokens, 'prompt');
      const tokens = yield* tokenizeParts(prompt, most);
      if (tokens.length > 0 && tokens.length <= most) return tokens;
      const message =
        tokens.length === 0
          ? 'The prompt has no tokens. Send a text that is not empty.'
          : `The prompt has more than ${most} tokens. Send it in parts.`;
      const param = prompt.kind === 'chat' ? 'messages' : 'prompt';
      throw new ChatError('bad_request', message, { param });
    },
    checkTokens,
    /** For an embedding. Stops counting above `most` tokens. */
    *tokenizeText(text: string, most: number): Generator<void, number[], void> {
      const tokens = yield* tokenizeParts({ kind: 'text', text }, most);
      const { eos, shouldAppendEosToken } = model.tokens;
      if (tokens.length > 0 && shouldAppendEosToken && eos !== null) tokens.push(eos);
      return tokens;
    },
  };
}

function checkCount(messages: readonly ChatMessage[]): void {
  const calls = messages.reduce(
    (sum, message) => sum + (message.role === 'assistant' ? (message.toolCalls?.length ?? 0) : 0),
    0,
  );
  if (messages.length <= maxMessages && calls <= maxMessages) return;
  const got = `got ${messages.length} messages with ${calls} calls`;
  const message = `messages: expected at most ${maxMessages} messages and ${maxMessages} tool calls, ${got}.`;
  throw new ChatError('bad_request', message, { param: 'messages' });
}

/** Number of token ids. The embedding matrix may have more rows, which are padding. */
export function countVocabulary(model: LlamaModel): number {
  const types = model.fileInfo.metadata.tokenizer.ggml.token_type;
  if (types === undefined) throw new Error('The model file has no tokenizer.ggml.token_type.');
  return types.length;
}

/** Control tokens, those that end an answer included. Other special texts of a template, such as `<think>`, are none. */
export function findControlTokens(model: LlamaModel): readonly Token[] {
  const ids = Array.from({ length: countVocabulary(model) }, (_, id) => id as Token);
  return ids.filter((id) => {
    const { control, unknown } = model.getTokenAttributes(id);
    return control || unknown || model.isEogToken(id);
  });
}
