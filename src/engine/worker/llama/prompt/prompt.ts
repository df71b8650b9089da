/** Turns prompts into tokens, in slices: applies the chat template and tokenizes. Used by model.ts. */
import { LlamaVocabularyType, type LlamaModel, type Token } from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { Prompt } from '../../../engine.ts';
import { chatMl, createChatTemplate } from './chat-template.ts';
import { createControlTokens, findMark } from './control-tokens.ts';
import { createSlicer } from './slices.ts';

export interface Prompts {
  /**
   * Works in slices of 1 to 3 ms and yields between them.
   * @throws ChatError `bad_request` for messages that the chat template refuses, and for a prompt without tokens.
   */
  tokenize(prompt: Prompt): Generator<void, number[], void>;
}

/** @throws Error for a model whose chat template cannot be parsed. */
export function createPrompts(model: LlamaModel): Prompts {
  const { bos, bosString, eosString, shouldPrependBosToken } = model.tokens;
  const control = createControlTokens(readControlTokens(model));
  const template = createChatTemplate({
    source: model.fileInfo.metadata.tokenizer.chat_template ?? chatMl,
    bosToken: bosString ?? '',
    eosToken: eosString ?? '',
  });
  const atWords = model.vocabularyType === LlamaVocabularyType.bpe;
  const slicesOfChat = createSlicer({ controlTokens: control.texts, atWords });
  const slicesOfText = createSlicer({ controlTokens: [], atWords });

  function* tokenizeChat(prompt: Prompt & { kind: 'chat' }): Generator<void, number[], void> {
    const { messages, tools } = prompt;
    const mark = findMark(JSON.stringify({ messages, tools }), template.source);
    const text = template.render(control.hide({ messages, tools }, mark));
    const tokens: number[] = [];
    for (const part of text.split(mark)) {
      for (const slice of slicesOfChat(part)) {
        for (const token of model.tokenize(slice, true)) tokens.push(token);
        yield;
      }
    }
    return tokens;
  }

  function* tokenizeText(prompt: Prompt & { kind: 'text' }): Generator<void, number[], void> {
    const tokens: number[] = [];
    for (const slice of slicesOfText(prompt.text)) {
      for (const token of model.tokenize(slice, false)) tokens.push(token);
      yield;
    }
    return tokens;
  }

  return {
    *tokenize(prompt) {
      const tokens =
        prompt.kind === 'chat' ? yield* tokenizeChat(prompt) : yield* tokenizeText(prompt);
      // The template may contain the BOS token.
      const isMissing = shouldPrependBosToken && bos !== null && tokens[0] !== bos;
      if (isMissing) tokens.unshift(bos);
      if (tokens.length === 0) {
        throw new ChatError(
          'bad_request',
          'The prompt has no tokens. Send a text that is not empty.',
          {
            param: prompt.kind === 'chat' ? 'messages' : 'prompt',
          },
        );
      }
      return tokens;
    },
  };
}

/** Number of token ids. The embedding matrix may have more rows, which are padding. */
export function countVocabulary(model: LlamaModel): number {
  const types = model.fileInfo.metadata.tokenizer.ggml.token_type;
  if (types === undefined) {
    throw new Error('The model file has no tokenizer.ggml.token_type.');
  }
  return types.length;
}

/** The texts of control tokens. Other special texts of a template, such as `<think>`, are not control tokens. */
function readControlTokens(model: LlamaModel): string[] {
  const ids = Array.from({ length: countVocabulary(model) }, (_, id) => id as Token);
  return ids
    .filter((id) => {
      const { control, unknown } = model.getTokenAttributes(id);
      return control || unknown || model.isEogToken(id);
    })
    .map((id) => model.detokenize([id], true));
}
