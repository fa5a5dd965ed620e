import { VitrailChatElement } from './vitrail-chat.ts';

export { VitrailChatElement };

/** Importing this module defines the elements; on a server, or the second time, it does nothing. */
if (globalThis.customElements && !customElements.get('vitrail-chat')) {
  customElements.define('vitrail-chat', VitrailChatElement);
}
