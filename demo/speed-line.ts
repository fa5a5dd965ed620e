import type { Chat } from 'vitrail';
import { byId } from './dom.ts';
import { formatDuration, formatRate } from './format.ts';

/** Tokens a second and time to first token while an answer streams; afterwards the exact figures stand below it. */
export function showSpeedOf(chat: Chat): void {
  const line = byId('speed-line');
  let askedAt = 0;
  let firstAt = 0;
  let pieces = 0;
  chat.subscribe(() => {
    const { status } = chat.getState();
    const now = performance.now();
    if (status === 'submitted') {
      askedAt = now;
      firstAt = 0;
      pieces = 0;
    }
    if (status !== 'streaming') {
      line.textContent = '';
      return;
    }
    firstAt ||= now;
    pieces += 1;
    if (pieces < 3) return;
    const rate = formatRate(((pieces - 1) * 1000) / (now - firstAt));
    line.textContent = `${rate}, first token after ${formatDuration(firstAt - askedAt)}`;
  });
}
