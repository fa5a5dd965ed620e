import { describe, expect, it } from 'vitest';
import type { Camera } from '../types.ts';
import { OrbitControls } from './orbit-controls.ts';

/** As much of a canvas as the controls use. */
class FakeCanvas extends EventTarget {
  tabIndex = -1;
  style: Record<string, string> = {};
  clientHeight = 400;
  setPointerCapture(): void {}
  fire(type: string, fields: object): Event {
    const event = Object.assign(new Event(type, { cancelable: true }), fields);
    this.dispatchEvent(event);
    return event;
  }
}

function controls(camera: Camera): { canvas: FakeCanvas; moved: () => Camera } {
  const canvas = new FakeCanvas();
  let last = camera;
  new OrbitControls(canvas as unknown as HTMLCanvasElement, camera, (moved) => {
    last = moved;
  });
  return { canvas, moved: () => last };
}

const distance = ({ position, target }: Camera): number =>
  Math.hypot(...position.map((value, i) => value - (target[i] as number)));

describe.each([
  ['y up', { position: [0, 1.6, 2], target: [0, 1.6, 0], fovY: 30 }],
  ['y down', { position: [0, 1, -3], target: [0, 1, 0], up: [0, -1, 0], fovY: 30 }],
] as [string, Camera][])('orbiting with %s', (_, camera) => {
  it('turns at the same distance, and comes back with Home', () => {
    const { canvas, moved } = controls(camera);
    expect(canvas.tabIndex).toBe(0);
    for (const key of ['ArrowLeft', 'ArrowUp', 'ArrowUp']) {
      expect(canvas.fire('keydown', { key }).defaultPrevented).toBe(true);
    }
    expect(distance(moved())).toBeCloseTo(distance(camera), 6);
    expect(Math.abs((moved().position[0] as number) - camera.position[0])).toBeGreaterThan(0.05);
    // Up is above, whichever way y points.
    const sign = (camera.up?.[1] ?? 1) < 0 ? -1 : 1;
    expect(((moved().position[1] as number) - camera.position[1]) * sign).toBeGreaterThan(0.1);
    canvas.fire('keydown', { key: 'Home' });
    moved().position.forEach((value, i) => {
      expect(value).toBeCloseTo(camera.position[i] as number, 6);
    });
  });

  it('follows the pointer, never over the top, and zooms by two fingers', () => {
    const { canvas, moved } = controls(camera);
    const at = (pointerId: number, clientX: number, clientY: number) => ({
      pointerId,
      clientX,
      clientY,
      buttons: 1,
    });
    canvas.fire('pointerdown', at(1, 0, 0));
    canvas.fire('pointermove', at(1, 10, 5000));
    const { position, target } = moved();
    const flat = Math.hypot(position[0] - target[0], position[2] - target[2]);
    expect(flat).toBeGreaterThan(0.05);
    canvas.fire('pointerdown', at(2, 10, 4900));
    const before = distance(moved());
    canvas.fire('pointermove', at(2, 10, 4800));
    expect(distance(moved())).toBeCloseTo(before / 2, 5);
  });

  it('leaves keys with modifiers, and other keys, to the page', () => {
    const { canvas, moved } = controls(camera);
    canvas.fire('keydown', { key: 'ArrowLeft', altKey: true });
    expect(canvas.fire('keydown', { key: 'Tab' }).defaultPrevented).toBe(false);
    expect(moved()).toBe(camera);
  });
});
