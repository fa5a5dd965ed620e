import { VitrailError } from '../errors.ts';

export interface CameraOptions {
  /** The camera that looks away from the visitor (`environment`, the default) or at them. */
  facing?: 'environment' | 'user';
}

/** Why there is no picture, by the name of the browser's exception. */
const reasons: Readonly<Record<string, [reason: string, message: string, fix: string]>> = {
  NotAllowedError: [
    'denied',
    'The camera was not allowed.',
    'Allow the camera in the address bar of the browser, and start it again.',
  ],
  NotFoundError: [
    'none',
    'There is no camera.',
    'Connect a camera, or open a video or a picture instead.',
  ],
  NotReadableError: [
    'in-use',
    'The camera is in use by another program.',
    'Close what uses the camera, and start it again.',
  ],
};

/**
 * Asks for the camera: call it from a click. Rejects with `camera-unavailable`; `detail.reason` says why: `insecure-context`, `denied`,
 * `none`, `in-use`, or `unknown`.
 */
export async function openCamera({
  facing = 'environment',
}: CameraOptions = {}): Promise<MediaStream> {
  if (!navigator.mediaDevices) {
    throw cameraError(
      'insecure-context',
      'Browsers give the camera to secure pages only.',
      'Open the page by https, or on localhost.',
    );
  }
  try {
    const video = { facingMode: facing, width: { ideal: 1280 }, height: { ideal: 720 } };
    return await navigator.mediaDevices.getUserMedia({ video, audio: false });
  } catch (cause) {
    const { name, message } = cause as DOMException;
    const [reason, text, fix] = reasons[name] ?? [
      'unknown',
      `The camera does not start: ${message}`,
      'Open a video or a picture instead.',
    ];
    throw cameraError(reason, text, fix, cause);
  }
}

function cameraError(reason: string, message: string, fix: string, cause?: unknown): VitrailError {
  const where = 'camera/open';
  return new VitrailError('camera-unavailable', message, { where, fix, detail: { reason }, cause });
}
