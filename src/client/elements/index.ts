import { VitrailAvatarElement } from './vitrail-avatar.ts';
import { VitrailCameraElement } from './vitrail-camera.ts';
import { VitrailChatElement } from './vitrail-chat.ts';

export { VitrailAvatarElement, VitrailCameraElement, VitrailChatElement };

/** Defines the elements where there is a document and they are not defined yet. Importing `vitrail/elements` does it. */
export function defineElements(): void {
  const elements = {
    'vitrail-chat': VitrailChatElement,
    'vitrail-avatar': VitrailAvatarElement,
    'vitrail-camera': VitrailCameraElement,
  };
  for (const [name, element] of Object.entries(elements)) {
    if (globalThis.customElements && !customElements.get(name))
      customElements.define(name, element);
  }
}

defineElements();
