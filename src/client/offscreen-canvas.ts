import { invalidArgument } from '../errors.ts';

/** Hands a canvas to the worker. Throws `invalid-argument` where it has a context or was handed over already. */
export function offscreenOf(canvas: HTMLCanvasElement, where: string): OffscreenCanvas {
  try {
    return canvas.transferControlToOffscreen();
  } catch (cause) {
    const error = invalidArgument(
      where,
      'This canvas is in use already.',
      'Pass a canvas that has no context and nothing attached yet; make a new one for each attach().',
    );
    error.cause = cause;
    throw error;
  }
}
