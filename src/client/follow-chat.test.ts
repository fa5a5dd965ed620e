import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import type { ChatMessage, ChatState } from './chat.ts';
import { type DrivenAvatar, followChat } from './follow-chat.ts';

/** An avatar that writes down what it is told. */
function listener(expressions: string[]): { avatar: DrivenAvatar; told: string[] } {
  const told: string[] = [];
  const avatar = {
    info: { expressions } as DrivenAvatar['info'],
    say: async (text: string | null) => void told.push(`say ${text}`),
    setState: async (state: string) => void told.push(state),
    async speak(stream: AsyncIterable<string | { text: string }>) {
      for await (const piece of stream) told.push(`“${piece}”`);
      told.push('end');
    },
  };
  return { avatar, told };
}

function scriptedChat(): {
  chat: Parameters<typeof followChat>[1];
  become(status: ChatState['status'], answer?: string): Promise<void>;
} {
  const asked: ChatMessage = { id: 'q', role: 'user', parts: [{ type: 'text', text: 'Why?' }] };
  let state: ChatState = { messages: [], status: 'ready', error: null };
  let tell = (): void => {};
  return {
    chat: {
      getState: () => state,
      subscribe: (each) => {
        tell = each;
        return () => {
          tell = () => {};
        };
      },
    },
    async become(status, answer) {
      const parts = [{ type: 'text' as const, text: answer ?? '' }];
      const answers: ChatMessage[] =
        answer === undefined ? [] : [{ id: 'a', role: 'assistant', parts }];
      state = { messages: [asked, ...answers], status, error: null };
      tell();
      await vi.advanceTimersByTimeAsync(1);
    },
  };
}

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

describe('an avatar in a chat', () => {
  it('listens while one types, thinks until the first piece, and says the answer', async () => {
    const { avatar, told } = listener(['jawOpen']);
    const { chat, become } = scriptedChat();
    const input = new EventTarget();
    followChat(avatar, chat, { input });
    input.dispatchEvent(new Event('input'));
    await become('submitted');
    await become('streaming', 'It');
    await become('streaming', 'It is.');
    await become('ready', 'It is.');
    const answer = ['“It”', '“ is.”', 'end'];
    expect(told.filter((entry) => answer.includes(entry))).toEqual(answer);
    const states = told.filter((entry) => !answer.includes(entry));
    expect(states).toEqual(['listening', 'say null', 'thinking', 'idle']);
  });

  it('stops listening when nothing is typed any more, and when it is told to leave', async () => {
    const { avatar, told } = listener(['jawOpen']);
    const { chat, become } = scriptedChat();
    const input = new EventTarget();
    const leave = followChat(avatar, chat, { input });
    input.dispatchEvent(new Event('input'));
    await vi.advanceTimersByTimeAsync(5000);
    expect(told).toEqual(['listening', 'idle']);
    await become('streaming', 'It');
    leave();
    await become('streaming', 'It is.');
    expect(told.slice(2)).not.toContain('“ is.”');
    expect(told).toContain('end');
  });

  it('asks nothing of splats that have no face', async () => {
    const { avatar, told } = listener([]);
    const { chat, become } = scriptedChat();
    followChat(avatar, chat);
    await become('submitted');
    await become('streaming', 'It');
    expect(told).toEqual([]);
  });
});
