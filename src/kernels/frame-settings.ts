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
  /** Pixels from a row of the frame in memory to the next. */
  rowPixels: number;
  colours: FrameColours;
}

/** How planes of bytes become colours: grey = (y - zero) · scale, and what a colour difference, above 128, adds to red, green and blue. */
export interface FrameColours {
  lumaZero: number;
  lumaScale: number;
  redV: number;
  greenU: number;
  greenV: number;
  blueU: number;
}

/** Of frames that are red, green and blue already. */
export const noColours: FrameColours = {
  lumaZero: 0,
  lumaScale: 0,
  redV: 0,
  greenU: 0,
  greenV: 0,
  blueU: 0,
};

export const frameSettingsBytes: number = 60;

/** The settings as the kernels read them. */
export function packFrameSettings(settings: FrameSettings): Uint32Array<ArrayBuffer> {
  const words = new Uint32Array(frameSettingsBytes / 4);
  const floats = new Float32Array(words.buffer);
  const { scoreThreshold, overlapThreshold, scaleX, scaleY, left, top, colours } = settings;
  floats.set([scoreThreshold, overlapThreshold, scaleX, scaleY, left, top]);
  words.set([settings.frameWidth, settings.frameHeight, settings.rowPixels], 6);
  const { lumaZero, lumaScale, redV, greenU, greenV, blueU } = colours;
  floats.set([lumaZero, lumaScale, redV, greenU, greenV, blueU], 9);
  return words;
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
