import type { Avatar } from 'vitrail';
import { byId } from './dom.ts';

/** Expressions that make a face at one touch, in the names of ARKit. */
const presets: Readonly<Record<string, Readonly<Record<string, number>>>> = {
  Smile: { mouthSmileLeft: 0.9, mouthSmileRight: 0.9, cheekSquintLeft: 0.5, cheekSquintRight: 0.5 },
  Surprise: { jawOpen: 0.5, browInnerUp: 0.9, eyeWideLeft: 0.8, eyeWideRight: 0.8 },
  Doubt: { browDownLeft: 0.8, browOuterUpRight: 0.9, mouthLeft: 0.4, mouthPucker: 0.3 },
  Wink: { eyeBlinkLeft: 1, mouthSmileLeft: 0.8, cheekSquintLeft: 0.6 },
};

/** Sliders, presets and clips of an avatar; nothing is shown where it has no rig. */
export async function setUpFace(
  avatar: Avatar,
  { idle }: { idle: boolean },
  onError: (thrown: unknown) => void,
): Promise<void> {
  const { expressions, clips } = avatar.info;
  byId('face').hidden = expressions.length === 0;
  byId('motion').hidden = expressions.length === 0;
  const sliders = expressions.map((name) => slider(name, (weight) => set({ [name]: weight })));
  byId('sliders').replaceChildren(...sliders.map(({ label }) => label));

  function set(weights: Readonly<Record<string, number>>): void {
    avatar.setExpression(weights).catch(onError);
  }
  const setAll = (weights: Readonly<Record<string, number>>): void => {
    for (const { name, input } of sliders) input.value = String(weights[name] ?? 0);
    set(Object.fromEntries(expressions.map((name) => [name, weights[name] ?? 0])));
  };
  byId('presets').replaceChildren(
    ...Object.entries(presets).map(([name, weights]) => chip(name, () => setAll(weights))),
  );
  byId('neutral').onclick = () => setAll({});
  byId('clips').replaceChildren(...clipChips(avatar, clips, onError));
  byId('say').onsubmit = (event) => {
    event.preventDefault();
    const text = byId<HTMLInputElement>('words').value.trim();
    if (text) avatar.say(text).catch(onError);
  };
  const box = byId<HTMLInputElement>('idle');
  box.checked = idle;
  box.onchange = () => avatar.setIdle(box.checked).catch(onError);
  if (expressions.length > 0) await avatar.setIdle(idle);
}

/** One chip a clip; the one that plays is pressed, and pressing it again ends it. */
function clipChips(
  avatar: Avatar,
  clips: readonly string[],
  onError: (thrown: unknown) => void,
): HTMLButtonElement[] {
  const chips = clips.map((name) =>
    chip(readable(name), () => {
      const ends = chips[clips.indexOf(name)]?.ariaPressed === 'true';
      chips.forEach((other, i) => {
        other.ariaPressed = String(!ends && clips[i] === name);
      });
      avatar.play(ends ? null : name, { loop: true }).catch(onError);
    }),
  );
  for (const one of chips) one.ariaPressed = 'false';
  return chips;
}

function chip(text: string, onPress: () => void): HTMLButtonElement {
  const button = document.createElement('button');
  button.type = 'button';
  button.textContent = text;
  button.addEventListener('click', onPress);
  return button;
}

function slider(
  name: string,
  onInput: (weight: number) => void,
): { name: string; label: HTMLLabelElement; input: HTMLInputElement } {
  const label = document.createElement('label');
  const input = document.createElement('input');
  Object.assign(input, { type: 'range', min: '0', max: '1', step: '0.01', value: '0' });
  input.addEventListener('input', () => onInput(Number(input.value)));
  label.append(readable(name), input);
  return { name, label, input };
}

/** `mouthSmileLeft` → `Mouth smile left`, `x_h5_a3_think_part_1` → `Think part 1`. */
function readable(name: string): string {
  const words = name
    .replace(/^.*_a\d+_/, '')
    .replace(/([a-z])([A-Z])/g, '$1 $2')
    .replaceAll('_', ' ')
    .toLowerCase();
  return words.charAt(0).toUpperCase() + words.slice(1);
}
