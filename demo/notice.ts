import { VitrailError } from 'vitrail';
import { byId } from './dom.ts';

/** What went wrong and what helps, in the page's `#error`; null takes it away. */
export function showNotice(thrown: unknown): void {
  byId('error').hidden = thrown === null;
  if (thrown === null) return;
  byId('error-message').textContent = thrown instanceof Error ? thrown.message : String(thrown);
  byId('error-fix').textContent = thrown instanceof VitrailError ? thrown.fix : '';
}
