import { VitrailError } from 'vitrail';
import { byId } from './dom.ts';

export function setUpErrorBar(actions: { retry(): void; dismiss(): void }): void {
  byId('error-retry').addEventListener('click', () => {
    hideError();
    actions.retry();
  });
  byId('error-dismiss').addEventListener('click', () => {
    hideError();
    actions.dismiss();
  });
}

/** What went wrong, and what the visitor can do about it. */
export function showError(thrown: unknown): void {
  const known = thrown instanceof VitrailError;
  byId('error-message').textContent = thrown instanceof Error ? thrown.message : String(thrown);
  byId('error-fix').textContent = known ? thrown.fix : '';
  byId('error-code').textContent = known ? thrown.code : '';
  byId('error').hidden = false;
}

export function hideError(): void {
  byId('error').hidden = true;
}
