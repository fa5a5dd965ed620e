/** What kernels read anew each frame: see `shaders/lib/frame-settings.wgsl`. Lengths are pixels. */
export interface FrameSettings {
  scoreThreshold: number;
  overlapThreshold: number;
  /** Input pixels a frame pixel, across and down. */
  scaleX: number;
  scaleY: number;
  /** The frame's upper left corner in the network's input. */
  left: number;
  top: number;
  frameWidth: number;
  frameHeight: number;
  /** Pixels from a row of the frame to the next. */
  rowPixels: number;
}

export const frameSettingsBytes: number = 36;

/** The settings as the kernels read them. */
export function packFrameSettings(settings: FrameSettings): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(frameSettingsBytes));
  const { scoreThreshold, overlapThreshold, scaleX, scaleY, left, top } = settings;
  [scoreThreshold, overlapThreshold, scaleX, scaleY, left, top].forEach((value, i) => {
    view.setFloat32(i * 4, value, true);
  });
  [settings.frameWidth, settings.frameHeight, settings.rowPixels].forEach((value, i) => {
    view.setUint32((6 + i) * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** How a frame lies in an input: its proportions kept, as large as fits, in the middle; or over all of it. */
export type FrameFit = 'letterbox' | 'stretch';

/** Where a frame lies in an input. */
export function fitFrame(
  frame: { width: number; height: number },
  input: { width: number; height: number },
  fit: FrameFit,
): Pick<FrameSettings, 'scaleX' | 'scaleY' | 'left' | 'top'> {
  const [scaleX, scaleY] = [input.width / frame.width, input.height / frame.height];
  if (fit === 'stretch') return { scaleX, scaleY, left: 0, top: 0 };
  const scale = Math.min(scaleX, scaleY);
  return {
    scaleX: scale,
    scaleY: scale,
    left: (input.width - frame.width * scale) / 2,
    top: (input.height - frame.height * scale) / 2,
  };
}
