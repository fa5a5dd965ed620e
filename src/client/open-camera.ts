import { VitrailError } from '../errors.ts';

export interface OpenCameraOptions {
  /** The camera at the back (`environment`, the default) or at the front (`user`), where there are both. */
  facing?: 'environment' | 'user';
}

type Reason = 'insecure' | 'none' | 'denied' | 'busy' | 'ended';

const failures: Record<Reason, { message: string; fix: string }> = {
  insecure: {
    message: 'The browser keeps cameras from this page, because its address is not secure.',
    fix: 'Open the page over https, or on localhost.',
  },
  none: {
    message: 'There is no camera.',
    fix: 'Connect one, or choose a video or an image instead.',
  },
  denied: {
    message: 'The camera is not allowed for this page.',
    fix: 'Allow it in the browser, beside the address, and start the camera again.',
  },
  busy: {
    message: 'The camera is in use by another program, or does not answer.',
    fix: 'Close what uses it, such as a call in another tab, and start the camera again.',
  },
  ended: {
    message: 'The camera gives no more pictures.',
    fix: 'Connect it again, or allow it again in the browser, and start the camera.',
  },
};

/**
 * A stream of the camera: the browser may ask the visitor, so call it after a click. Throws `camera-unavailable`; `detail.reason` is
 * `insecure`, `none`, `denied` or `busy`.
 */
export async function openCamera({
  facing = 'environment',
}: OpenCameraOptions = {}): Promise<MediaStream> {
  if (!globalThis.isSecureContext || !navigator.mediaDevices) throw cameraError('insecure');
  try {
    const video = { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 } };
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (cause) {
    throw cameraError(reasonOf(cause), cause);
  }
}

function reasonOf(cause: unknown): Reason {
  const { name } = cause as Error;
  if (name === 'NotAllowedError' || name === 'SecurityError') return 'denied';
  return name === 'NotFoundError' || name === 'OverconstrainedError' ? 'none' : 'busy';
}

/** For a stream that ends by itself: unplugged, or taken back by the browser, where `detail.reason` is `ended`. */
export function cameraError(reason: Reason, cause?: unknown): VitrailError {
  const { message, fix } = failures[reason];
  const detail = { reason };
  return new VitrailError('camera-unavailable', message, {
    where: 'client/camera',
    fix,
    detail,
    cause,
  });
}
