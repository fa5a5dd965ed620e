import type { Avatar, PlacedAvatar, Runtime, Scene } from 'vitrail';
import { byId } from './dom.ts';

/** Where the others stand, in widths of an avatar to the right and behind, and how far they turn to the middle. */
const places = [
  { right: -0.85, behind: 0.35, turn: 0.25 },
  { right: 0.85, behind: 0.35, turn: -0.25 },
  { right: -1.6, behind: 1, turn: 0.4 },
  { right: 1.6, behind: 1, turn: -0.4 },
] as const;

/** Four more of the avatar that is shown, each with motion of its own, in one scene with it. */
export class AvatarCrowd {
  readonly #input = byId<HTMLInputElement>('crowd');
  readonly #runtime: () => Promise<Runtime>;
  readonly #fail: (thrown: unknown) => void;
  #shown: { avatar: Avatar; scene: Scene; source: Blob | string | undefined } | null = null;
  #others: Avatar[] = [];
  /** Of those who are coming; another one each time, null: nobody is. */
  #gathering: object | null = null;

  constructor(runtime: () => Promise<Runtime>, fail: (thrown: unknown) => void) {
    this.#runtime = runtime;
    this.#fail = fail;
    this.#input.addEventListener('change', () => {
      void (this.#input.checked ? this.#gather() : this.#leave());
    });
  }

  /** Another avatar is shown, by itself. */
  async follow(avatar: Avatar, scene: Scene, source: Blob | string | undefined): Promise<void> {
    this.#shown = { avatar, scene, source };
    this.#input.checked = false;
    await this.#leave();
  }

  /** They come one by one. */
  async #gather(): Promise<void> {
    const shown = this.#shown;
    const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;
    const mine = {};
    this.#gathering = mine;
    const stays = (): boolean => this.#gathering === mine;
    try {
      while (shown && stays() && this.#others.length < places.length) {
        const other = await (await this.#runtime()).loadAvatar(shown.source);
        if (!stays()) return await other.dispose();
        const { clips } = other.info;
        const clip = clips[(this.#others.length + 1) % Math.max(1, clips.length)];
        this.#others.push(other);
        shown.scene.set([{ avatar: shown.avatar }, ...this.#placed(shown.avatar)]);
        if (calm) continue;
        await other.setIdle(true);
        if (clip) await other.play(clip, { loop: true });
      }
    } catch (thrown) {
      this.#fail(thrown);
    }
  }

  #placed({ info: { camera } }: Avatar): PlacedAvatar[] {
    // The camera of an avatar stands some four of its radii away.
    const width = Math.hypot(...camera.position.map((at, i) => at - (camera.target[i] ?? 0))) / 4;
    return this.#others.map((avatar, i) => {
      const { right, behind, turn } = places[i] as (typeof places)[number];
      return {
        avatar,
        position: [right * width, 0, -behind * width],
        rotation: [0, Math.sin(turn / 2), 0, Math.cos(turn / 2)],
      };
    });
  }

  async #leave(): Promise<void> {
    this.#gathering = null;
    const others = this.#others;
    this.#others = [];
    if (this.#shown) this.#shown.scene.set([{ avatar: this.#shown.avatar }]);
    for (const other of others) await other.dispose();
  }
}
