import type { Detection } from '../types.ts';

/** Colours of an overlay: any CSS colour for boxes; red, green, blue, alpha (0 to 255) for masks. */
export interface OverlayColors {
  box: string;
  label: string;
  drivable: readonly [number, number, number, number];
  lanes: readonly [number, number, number, number];
}

export const overlayColors: OverlayColors = {
  box: '#ffd166',
  label: '#14161d',
  drivable: [46, 204, 113, 90],
  lanes: [255, 70, 90, 210],
};

/** Draws masks, boxes and labels over whatever shows the frame: the canvas takes the frame's size and is transparent elsewhere. */
export function drawDetection(
  canvas: HTMLCanvasElement | OffscreenCanvas,
  { boxes, drivable, lanes }: Detection,
  colors: OverlayColors = overlayColors,
): void {
  const { width, height } = drivable;
  if (canvas.width !== width) canvas.width = width;
  if (canvas.height !== height) canvas.height = height;
  const context = canvas.getContext('2d') as CanvasRenderingContext2D | null;
  if (!context) return;
  const tinted = new ImageData(width, height);
  const pixels = new Uint32Array(tinted.data.buffer);
  const [road, lane] = [packed(colors.drivable), packed(colors.lanes)];
  for (let i = 0; i < pixels.length; i += 1) {
    if (lanes.data[i]) pixels[i] = lane;
    else if (drivable.data[i]) pixels[i] = road;
  }
  context.putImageData(tinted, 0, 0);
  const unit = Math.max(1, width / 640);
  context.lineWidth = 2 * unit;
  context.font = `600 ${Math.round(12 * unit)}px ui-sans-serif, system-ui, sans-serif`;
  context.textBaseline = 'top';
  for (const box of boxes) {
    const text = `${box.label} ${Math.round(box.score * 100)} %`;
    context.strokeStyle = colors.box;
    context.strokeRect(box.x, box.y, box.width, box.height);
    const top = Math.max(0, box.y - 17 * unit);
    context.fillStyle = colors.box;
    context.fillRect(box.x, top, context.measureText(text).width + 8 * unit, 17 * unit);
    context.fillStyle = colors.label;
    context.fillText(text, box.x + 4 * unit, top + 3 * unit);
  }
}

/** One sentence for people who do not see the picture. */
export function describeDetection({ boxes, drivable, lanes }: Detection): string {
  const share = (mask: { data: Uint8Array }) =>
    mask.data.reduce((sum, value) => sum + (value ? 1 : 0), 0) / Math.max(1, mask.data.length);
  const vehicles = `${boxes.length || 'no'} ${boxes.length === 1 ? 'vehicle' : 'vehicles'}`;
  const road = `${Math.round(share(drivable) * 100)} % of the picture drivable`;
  return `${vehicles}, ${road}, ${share(lanes) > 0.001 ? 'lane lines' : 'no lane lines'}`;
}

/** Bytes of a colour in the order of ImageData. */
function packed([r, g, b, a]: readonly [number, number, number, number]): number {
  return new Uint32Array(new Uint8Array([r, g, b, a]).buffer)[0] as number;
}
