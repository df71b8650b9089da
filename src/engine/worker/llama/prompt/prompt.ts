/** Prompts as the tokens that a model evaluates: the chat template applied, in slices. Used by model.ts. */
import { LlamaVocabularyType, type LlamaModel, type Token } from 'node-llama-cpp';
import { ChatError } from '../../../../errors.ts';
import type { Prompt } from '../../../engine.ts';
import { chatMl, createChatTemplate } from './chat-template.ts';
import { createControlTokens, findMark } from './control-tokens.ts';
import { createSlicer } from './slices.ts';

export interface Prompts {
  /**
   * Works in slices of 1 to 3 ms and yields between them.
   * @throws ChatError `bad_request` for messages that the chat template refuses, and for a prompt without a token.
   */
  tokenize(prompt: Prompt): Generator<void, number[], void>;
}

/** @throws for a model whose chat template cannot be read. */
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
      // A template may have written it already.
      const isMissing = shouldPrependBosToken && bos !== null && tokens[0] !== bos;
      if (isMissing) tokens.unshift(bos);
      if (tokens.length === 0) {
        throw new ChatError('bad_request', 'Expected a prompt of at least one token, got none.', {
          param: prompt.kind === 'chat' ? 'messages' : 'prompt',
        });
      }
      return tokens;
    },
  };
}

/** How many ids a token may have, 0 to this; the embedding may have more rows, which stand for nothing. */
export function countVocabulary(model: LlamaModel): number {
  const types = model.fileInfo.metadata.tokenizer.ggml.token_type;
  if (types === undefined) {
    throw new Error('expected tokenizer.ggml.token_type in the model file, found it nowhere');
  }
  return types.length;
}

/** The texts of the tokens that no text may turn into; those a template merely likes, such as `<think>`, are not among them. */
function readControlTokens(model: LlamaModel): string[] {
  const ids = Array.from({ length: countVocabulary(model) }, (_, id) => id as Token);
  return ids
    .filter((id) => {
      const { control, unknown } = model.getTokenAttributes(id);
      return control || unknown || model.isEogToken(id);
    })
    .map((id) => model.detokenize([id], true));
}
