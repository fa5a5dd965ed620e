import type { ChatMessage, GenerateOptions } from 'vitrail';

export interface Settings {
  system: string;
  generate: Omit<GenerateOptions, 'signal'>;
  /** Tokens of context to make room for; null: the model's own, at most 4,096. */
  contextLength: number | null;
  /** Keep models in this browser. */
  cache: boolean;
}

export type Theme = 'auto' | 'light' | 'dark';

export interface SavedState {
  messages: ChatMessage[];
  settings: Settings;
  theme: Theme;
  /** The stored model that was open last; null: the embedded one. */
  model: { id: string; name: string } | null;
}

export const defaultSettings: Settings = {
  system: 'You are a helpful assistant. Answer briefly and clearly.',
  // All else as the model's file recommends.
  generate: { maxTokens: 512 },
  contextLength: null,
  cache: true,
};

const key = 'vitrail-demo';

/** What the last visit left. Anything unreadable is as good as nothing. */
export function readSavedState(): SavedState {
  const fresh: SavedState = { messages: [], settings: defaultSettings, theme: 'auto', model: null };
  try {
    const saved = JSON.parse(localStorage.getItem(key) ?? '{}') as Partial<SavedState>;
    return { ...fresh, ...saved, settings: { ...defaultSettings, ...saved.settings } };
  } catch {
    return fresh;
  }
}

/** Keeps a part of the state; a full or forbidden storage costs only the memory of this visit. */
export function saveState(change: Partial<SavedState>): void {
  try {
    localStorage.setItem(key, JSON.stringify({ ...readSavedState(), ...change }));
  } catch {
    // Private windows may refuse: the page works without.
  }
}
