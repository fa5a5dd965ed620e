import { Template } from '@huggingface/jinja';
import { invalidArgument } from '../errors.ts';
import type { Message } from '../types.ts';
import type { TokenizerDefinition } from './definition.ts';
import type { Tokenizer } from './tokenizer.ts';

export interface RenderOptions {
  /** End with what opens the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
  /** Descriptions of tools, as the template expects them. */
  tools?: readonly unknown[];
}

/** ChatML: what most models without a template of their own were trained on, or cope with. */
const chatMl =
  "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}";

/**
 * The text of a conversation by the model's own template, ChatML where it has none.
 * Throws `invalid-argument` with the template's words where the template refuses the conversation.
 */
export function renderChat(
  definition: TokenizerDefinition,
  messages: readonly Message[],
  { addGenerationPrompt = true, tools }: RenderOptions = {},
): string {
  const textOf = (id: number | null) => (id === null ? '' : (definition.tokens[id] ?? ''));
  try {
    return new Template(definition.chatTemplate ?? chatMl).render({
      messages,
      add_generation_prompt: addGenerationPrompt,
      bos_token: textOf(definition.bosId),
      eos_token: textOf(definition.eosId),
      ...(tools ? { tools } : {}),
    });
  } catch (cause) {
    throw invalidArgument(
      'tokenizer/chat-template',
      `The model's chat template refuses these messages: ${(cause as Error).message}`,
      'Check the order and the roles of the messages: most templates want user and assistant in turn.',
    );
  }
}

/** Does the template parse? The reason where it does not. */
export function templateProblem({ chatTemplate }: TokenizerDefinition): string | null {
  try {
    if (chatTemplate !== null) new Template(chatTemplate);
    return null;
  } catch (thrown) {
    return (thrown as Error).message;
  }
}

/** Stands between the letters of a control token that a message contains, so that it stays text; taken out again before encoding. */
const joiner = '\u{F5A7E}';

/**
 * The tokens of a conversation, ready for the answer. Control tokens come from the template only: what looks like one inside a
 * message is encoded as plain text, so that a message cannot end its turn or speak for another role.
 */
export function encodeChat(
  tokenizer: Tokenizer,
  definition: TokenizerDefinition,
  messages: readonly Message[],
  options: RenderOptions = {},
): number[] {
  const control = definition.control.map(({ text }) => text).filter((text) => text.length > 1);
  const inert = messages.map((message) => ({
    ...message,
    content: defuse(message.content, control),
  }));
  const text = renderChat(definition, inert, options);
  const ids = tokenizer.encode(text, { special: true, joiner });
  return withBos(ids, tokenizer, definition);
}

/** Puts the joiner behind the first letter of every control token in a text. */
function defuse(content: string, control: readonly string[]): string {
  let text = content.replaceAll(joiner, '');
  for (const token of control) {
    // A token that overlaps itself takes more than one round.
    while (text.includes(token)) {
      text = text.replaceAll(token, token.slice(0, 1) + joiner + token.slice(1));
    }
  }
  return text;
}

/** BOS once: some templates write it, others leave it to the tokenizer. */
function withBos(ids: number[], { bosId }: Tokenizer, { addBos }: TokenizerDefinition): number[] {
  if (!addBos || bosId === null || ids[0] === bosId) return ids;
  return [bosId, ...ids];
}
