/** What kernels read anew each frame: see `shaders/lib/frame-settings.wgsl`. Lengths are pixels. */
export interface FrameSettings {
  scoreThreshold: number;
  overlapThreshold: number;
  /** Input pixels a frame pixel. */
  scale: number;
  /** The frame's upper left corner in the network's input. */
  left: number;
  top: number;
  frameWidth: number;
  frameHeight: number;
  /** Pixels from a row of the frame to the next. */
  rowPixels: number;
}

export const frameSettingsBytes: number = 32;

/** The settings as the kernels read them. */
export function packFrameSettings(settings: FrameSettings): Uint8Array<ArrayBuffer> {
  const view = new DataView(new ArrayBuffer(frameSettingsBytes));
  const { scoreThreshold, overlapThreshold, scale, left, top } = settings;
  [scoreThreshold, overlapThreshold, scale, left, top].forEach((value, i) => {
    view.setFloat32(i * 4, value, true);
  });
  [settings.frameWidth, settings.frameHeight, settings.rowPixels].forEach((value, i) => {
    view.setUint32((5 + i) * 4, value, true);
  });
  return new Uint8Array(view.buffer);
}

/** Where a frame lies in an input: as large as fits, in the middle. */
export function fitFrame(
  frame: { width: number; height: number },
  input: { width: number; height: number },
): { scale: number; left: number; top: number } {
  const scale = Math.min(input.width / frame.width, input.height / frame.height);
  return {
    scale,
    left: (input.width - frame.width * scale) / 2,
    top: (input.height - frame.height * scale) / 2,
  };
}
