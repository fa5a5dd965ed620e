import { describe, expect, it } from 'vitest';
import { VitrailError } from '../errors.ts';
import type { GenerateOptions, GenerationResult, Message } from '../types.ts';
import type { Generation, LanguageModel } from './api.ts';
import { type ChatState, createChat, messageText } from './chat.ts';
import { startGeneration } from './generation.ts';

/** A model that answers with the given pieces and remembers what it was asked. */
function scriptedModel(
  pieces: string[],
  failure?: VitrailError,
): { model: LanguageModel; prompts: Message[][] } {
  const prompts: Message[][] = [];
  const chat = (messages: readonly Message[], { signal }: GenerateOptions = {}): Generation => {
    prompts.push([...messages]);
    return startGeneration(async (abort, onEvent) => {
      let text = '';
      for (const piece of pieces) {
        await new Promise((resolve) => setTimeout(resolve, 2));
        if (abort.aborted) return resultOf(text, 'abort');
        text += piece;
        onEvent({ type: 'text', text: piece, tokens: [1] });
      }
      if (failure) throw failure;
      return resultOf(text, 'stop');
    }, signal);
  };
  return { model: { chat } as LanguageModel, prompts };
}

function resultOf(text: string, finish: GenerationResult['finish']): GenerationResult {
  return {
    text,
    tokens: [],
    finish,
    usage: { promptTokens: 1, cachedTokens: 0, completionTokens: 2 },
    timing: { ttftMs: 1, prefillTokensPerSecond: 1, decodeTokensPerSecond: 9 },
  };
}

function transcript(state: ChatState): string[] {
  return state.messages.map((message) => `${message.role}: ${messageText(message)}`);
}

describe('a chat', () => {
  it('goes submitted, streaming, ready, and sends system prompt and history', async () => {
    const { model, prompts } = scriptedModel(['Hello. ', 'How are ', 'you?']);
    const sentences: string[] = [];
    const chat = createChat({ model, system: 'Be kind.', onSentence: (s) => sentences.push(s) });
    const seen: string[] = [];
    chat.subscribe(() => seen.push(chat.getState().status));
    await chat.sendMessage('Hi');
    await chat.sendMessage({ text: 'Fine' });
    expect([...new Set(seen)]).toEqual(['ready', 'submitted', 'streaming']);
    expect(transcript(chat.getState())).toEqual([
      'user: Hi',
      'assistant: Hello. How are you?',
      'user: Fine',
      'assistant: Hello. How are you?',
    ]);
    expect(prompts[1]?.map((message) => message.role)).toEqual([
      'system',
      'user',
      'assistant',
      'user',
    ]);
    expect(chat.getState().messages[1]?.metadata?.timing.decodeTokensPerSecond).toBe(9);
    expect(sentences.slice(0, 2)).toEqual(['Hello.', 'How are you?']);
  });

  it('stop keeps the part that is there', async () => {
    const { model } = scriptedModel(['a', 'b', 'c']);
    const chat = createChat({ model });
    const stopAtFirst = chat.subscribe(() => {
      if (chat.getState().status === 'streaming') void chat.stop();
    });
    await chat.sendMessage('Hi');
    stopAtFirst();
    expect(transcript(chat.getState())).toEqual(['user: Hi', 'assistant: a']);
    expect(chat.getState()).toMatchObject({ status: 'ready', error: null });
    expect(chat.getState().messages[1]?.metadata?.finish).toBe('abort');
  });

  it('stop before the first piece leaves an empty answer, so that questions and answers keep taking turns', async () => {
    const { model, prompts } = scriptedModel(['a', 'b']);
    const chat = createChat({ model });
    const stopAtOnce = chat.subscribe(() => {
      if (chat.getState().status === 'submitted') void chat.stop();
    });
    await chat.sendMessage('Hi');
    stopAtOnce();
    expect(transcript(chat.getState())).toEqual(['user: Hi', 'assistant: ']);
    expect(chat.getState().messages[1]?.metadata?.finish).toBe('abort');
    await chat.sendMessage('Again');
    expect(prompts[1]?.map((message) => message.role)).toEqual(['user', 'assistant', 'user']);
  });

  it('regenerate replaces the last answer', async () => {
    const first = scriptedModel(['one']);
    const second = scriptedModel(['two']);
    const chat = createChat({ model: first.model });
    await chat.sendMessage('Hi');
    chat.options = { model: second.model };
    await chat.regenerate();
    expect(transcript(chat.getState())).toEqual(['user: Hi', 'assistant: two']);
  });

  it('an error ends in the state, and the next message works', async () => {
    const failure = new VitrailError('gpu-device-lost', 'Gone.', { where: 'test', fix: 'Again.' });
    const errors: VitrailError[] = [];
    const chat = createChat({
      model: scriptedModel(['par'], failure).model,
      onError: (error) => errors.push(error),
    });
    await chat.sendMessage('Hi');
    expect(chat.getState()).toMatchObject({ status: 'error', error: failure });
    expect(errors).toEqual([failure]);
    chat.options = { model: scriptedModel(['fine']).model };
    await chat.regenerate();
    expect(chat.getState()).toMatchObject({ status: 'ready', error: null });
    expect(transcript(chat.getState())).toEqual(['user: Hi', 'assistant: fine']);
  });

  it('without a model it says so', async () => {
    const chat = createChat();
    await chat.sendMessage('Hi');
    expect(chat.getState().error?.code).toBe('invalid-argument');
    chat.clearError();
    expect(chat.getState().status).toBe('ready');
  });

  it('a replaced conversation is left alone by the answer that was running', async () => {
    const chat = createChat({ model: scriptedModel(['a', 'b', 'c']).model });
    const running = chat.sendMessage('Hi');
    await new Promise((resolve) => setTimeout(resolve, 3));
    chat.setMessages([]);
    await running;
    expect(chat.getState()).toEqual({ messages: [], status: 'ready', error: null });
  });
});
