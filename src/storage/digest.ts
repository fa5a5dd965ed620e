import { sha256 } from '@noble/hashes/sha2.js';
import { invalidArgument } from '../errors.ts';

/** SHA-256 in lower-case hexadecimal. */
export async function sha256Hex(bytes: Uint8Array<ArrayBuffer>): Promise<string> {
  return hex(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes)));
}

export async function textDigest(text: string): Promise<string> {
  return sha256Hex(new TextEncoder().encode(text));
}

/** A SHA-256 that grows with a stream; WebCrypto has only whole digests. */
export interface StreamDigest {
  update(bytes: Uint8Array): void;
  /** Hexadecimal. */
  finish(): string;
}

export async function createStreamDigest(): Promise<StreamDigest> {
  const state = sha256.create();
  return {
    update: (bytes) => {
      state.update(bytes);
    },
    finish: () => hex(state.digest()),
  };
}

/** `sha256-<base64>` → hexadecimal. Throws `invalid-argument`. */
export function parseIntegrity(integrity: string): string {
  const match = /^sha256-([A-Za-z0-9+/]{43}=)$/.exec(integrity);
  if (!match) {
    throw invalidArgument(
      'digest/integrity',
      `'${integrity}' is no integrity value.`,
      "Pass 'sha256-' and the base64 of the file's SHA-256, as `openssl dgst -sha256 -binary FILE | base64` prints it.",
    );
  }
  return hex(Uint8Array.from(atob(match[1] as string), (char) => char.charCodeAt(0)));
}

function hex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('');
}
