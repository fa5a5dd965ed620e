import type { Camera } from '../types.ts';

type Vector = [number, number, number];

/** Radians a CSS pixel, and a key press. */
const turnPerPixel = 0.008;
const turnPerKey = 0.12;
const zoomPerKey = 1.15;
/** The camera stays this far from straight above and below. */
const steepest = 1.45;
const zoomRange = 8;

/**
 * Orbits a camera about its target: drag or arrow keys turn, wheel, pinch or + and − zoom, dragging with Shift or the second button
 * shifts, Home goes back. The wheel counts only on a focused canvas, so that pages still scroll.
 */
export class OrbitControls {
  readonly #canvas: HTMLCanvasElement;
  readonly #onMove: (camera: Camera) => void;
  readonly #ending = new AbortController();
  readonly #pointers = new Map<number, { x: number; y: number }>();
  #home!: Camera;
  #target!: Vector;
  /** About the up axis, and above the horizon. */
  #yaw = 0;
  #pitch = 0;
  #distance = 1;

  constructor(canvas: HTMLCanvasElement, camera: Camera, onMove: (camera: Camera) => void) {
    this.#canvas = canvas;
    this.#onMove = onMove;
    this.reset(camera);
    if (canvas.tabIndex < 0) canvas.tabIndex = 0;
    canvas.style.touchAction = 'none';
    this.#listen('pointerdown', (event) => this.#onDown(event));
    this.#listen('pointermove', (event) => this.#onDrag(event));
    for (const type of ['pointerup', 'pointercancel'] as const) {
      this.#listen(type, ({ pointerId }) => this.#pointers.delete(pointerId));
    }
    this.#listen('contextmenu', (event) => event.preventDefault());
    this.#listen('wheel', (event) => this.#onWheel(event));
    this.#listen('keydown', (event) => this.#onKey(event));
  }

  dispose(): void {
    this.#ending.abort();
  }

  #listen<Type extends keyof HTMLElementEventMap>(
    type: Type,
    listener: (event: HTMLElementEventMap[Type]) => void,
  ): void {
    this.#canvas.addEventListener(type, listener, { signal: this.#ending.signal, passive: false });
  }

  /** Takes another camera as the start. Tells nobody. */
  reset(camera: Camera): void {
    this.#home = camera;
    const { position, target, up } = camera;
    const sign = this.#sign(up);
    const [x, y, z] = [0, 1, 2].map(
      (i) => (position[i] as number) - (target[i] as number),
    ) as Vector;
    this.#target = [...target];
    this.#distance = Math.hypot(x, y, z) || 1;
    this.#yaw = Math.atan2(x, z * sign) * sign;
    this.#pitch = Math.asin((y * sign) / this.#distance);
  }

  /** Clouds of 3DGS have y down: their camera stands on its head. */
  #sign(up: Camera['up']): number {
    return (up?.[1] ?? 1) < 0 ? -1 : 1;
  }

  #camera(): Camera {
    const sign = this.#sign(this.#home.up);
    const flat = Math.cos(this.#pitch) * this.#distance;
    const yaw = this.#yaw * sign;
    return {
      ...this.#home,
      target: [...this.#target],
      position: [
        this.#target[0] + Math.sin(yaw) * flat,
        this.#target[1] + Math.sin(this.#pitch) * this.#distance * sign,
        this.#target[2] + Math.cos(yaw) * flat * sign,
      ],
    };
  }

  #turn(yaw: number, pitch: number): void {
    this.#yaw += yaw;
    this.#pitch = Math.max(-steepest, Math.min(steepest, this.#pitch + pitch));
    this.#onMove(this.#camera());
  }

  #zoom(factor: number): void {
    const { position, target } = this.#home;
    const home = Math.hypot(...position.map((value, i) => value - (target[i] as number)));
    const wanted = this.#distance / factor;
    this.#distance = Math.max(home / zoomRange, Math.min(home * zoomRange, wanted));
    this.#onMove(this.#camera());
  }

  /** Shifts the target along the picture, by CSS pixels. */
  #shift(dx: number, dy: number): void {
    const sign = this.#sign(this.#home.up);
    const height = this.#canvas.clientHeight || 1;
    const perPixel = (2 * this.#distance * Math.tan((this.#home.fovY * Math.PI) / 360)) / height;
    const yaw = this.#yaw * sign;
    this.#target[0] -= Math.cos(yaw) * dx * perPixel;
    this.#target[2] += Math.sin(yaw) * dx * perPixel * sign;
    this.#target[1] += dy * perPixel * sign;
    this.#onMove(this.#camera());
  }

  #onDown(event: PointerEvent): void {
    this.#canvas.setPointerCapture(event.pointerId);
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
  }

  #onDrag(event: PointerEvent): void {
    const last = this.#pointers.get(event.pointerId);
    if (!last) return;
    const [dx, dy] = [event.clientX - last.x, event.clientY - last.y];
    const other = [...this.#pointers].find(([id]) => id !== event.pointerId)?.[1];
    this.#pointers.set(event.pointerId, { x: event.clientX, y: event.clientY });
    if (other) {
      const before = Math.hypot(last.x - other.x, last.y - other.y) || 1;
      this.#zoom(Math.hypot(event.clientX - other.x, event.clientY - other.y) / before);
    } else if (event.shiftKey || event.buttons === 2) this.#shift(dx, dy);
    else this.#turn(-dx * turnPerPixel, dy * turnPerPixel);
  }

  #onWheel(event: WheelEvent): void {
    if (document.activeElement !== this.#canvas && !event.ctrlKey) return;
    event.preventDefault();
    this.#zoom(Math.exp(-event.deltaY * 0.0015));
  }

  #onKey(event: KeyboardEvent): void {
    const moves: Record<string, () => void> = {
      ArrowLeft: () => this.#turn(-turnPerKey, 0),
      ArrowRight: () => this.#turn(turnPerKey, 0),
      ArrowUp: () => this.#turn(0, turnPerKey),
      ArrowDown: () => this.#turn(0, -turnPerKey),
      '+': () => this.#zoom(zoomPerKey),
      '=': () => this.#zoom(zoomPerKey),
      '-': () => this.#zoom(1 / zoomPerKey),
      Home: () => {
        this.reset(this.#home);
        this.#onMove(this.#camera());
      },
    };
    const move = moves[event.key];
    if (!move || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    move();
  }
}
