import { make } from './dom.ts';

const [width, height, horizon] = [672, 384, 165];

/** A drive on a painted road, as a video: a sample that needs no download. */
export function sampleRoad(): { shown: HTMLVideoElement; close: () => void } {
  const canvas = make('canvas', { width, height });
  const context = canvas.getContext('2d');
  if (!context) throw new Error('The browser gave no canvas to paint the sample on.');
  let metres = 0;
  const paintNext = (): void => {
    metres += 0.8;
    paint(context, metres);
  };
  paintNext();
  const timer = setInterval(paintNext, 40);
  const stream = canvas.captureStream(25);
  const close = (): void => {
    clearInterval(timer);
    for (const track of stream.getTracks()) track.stop();
  };
  return { shown: make('video', { muted: true, playsInline: true, srcObject: stream }), close };
}

/** Where a point of the road is on the picture: metres to the right and ahead. */
function project(right: number, ahead: number): [number, number] {
  const focal = 480;
  return [width / 2 + (right * focal) / ahead, horizon + (1.4 * focal) / ahead];
}

function paint(context: CanvasRenderingContext2D, metres: number): void {
  const sky = context.createLinearGradient(0, 0, 0, horizon);
  sky.addColorStop(0, '#7fa6cf');
  sky.addColorStop(1, '#dfe7ec');
  context.fillStyle = sky;
  context.fillRect(0, 0, width, horizon);
  context.fillStyle = '#68784f';
  context.fillRect(0, horizon, width, height - horizon);
  strip(context, -5.6, 5.6, 2, 200, '#5d5f63');
  for (const edge of [-5.3, 5.3]) strip(context, edge - 0.08, edge + 0.08, 2, 120, '#f2f2ec');
  for (let dash = 0; dash < 12; dash += 1) {
    const near = dash * 10 - (metres % 10);
    for (const lane of [-1.8, 1.8])
      strip(context, lane - 0.08, lane + 0.08, near, near + 4, '#f2f2ec');
  }
  car(context, -3.6, 34 + 8 * Math.sin(metres / 40), '#8d2f2a');
  car(context, 0, 20 + 4 * Math.sin(metres / 27), '#d8dadd');
}

function strip(
  context: CanvasRenderingContext2D,
  left: number,
  right: number,
  near: number,
  far: number,
  colour: string,
): void {
  if (far < 2) return;
  const nearest = Math.max(near, 2);
  const corners = [
    project(left, nearest),
    project(left, far),
    project(right, far),
    project(right, nearest),
  ] as const;
  context.fillStyle = colour;
  context.beginPath();
  for (const [x, y] of corners) context.lineTo(x, y);
  context.fill();
}

/** A car from behind, 1.8 metres wide. */
function car(
  context: CanvasRenderingContext2D,
  right: number,
  ahead: number,
  colour: string,
): void {
  const [x, ground] = project(right, ahead);
  const metre = 480 / ahead;
  const part = (dx: number, top: number, w: number, h: number, fill: string): void => {
    context.fillStyle = fill;
    context.beginPath();
    context.roundRect(x + dx * metre, ground - top * metre, w * metre, h * metre, metre * 0.12);
    context.fill();
  };
  part(-0.95, 0.12, 1.9, 0.16, '#25272b');
  part(-0.85, 0.35, 0.25, 0.35, '#17181a');
  part(0.6, 0.35, 0.25, 0.35, '#17181a');
  part(-0.72, 1.48, 1.44, 0.8, colour);
  part(-0.6, 1.38, 1.2, 0.5, '#2c3640');
  part(-0.9, 0.95, 1.8, 0.7, colour);
  part(-0.86, 0.85, 0.3, 0.18, '#e04438');
  part(0.56, 0.85, 0.3, 0.18, '#e04438');
  part(-0.25, 0.6, 0.5, 0.14, '#f4f4ee');
}
