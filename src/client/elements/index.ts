import { VitrailChatElement } from './vitrail-chat.ts';

export { VitrailChatElement };

/** Defines the elements where there is a document and they are not defined yet. Importing `vitrail/elements` does it. */
export function defineElements(): void {
  if (globalThis.customElements && !customElements.get('vitrail-chat')) {
    customElements.define('vitrail-chat', VitrailChatElement);
  }
}

defineElements();
