import { type Avatar, type AvatarView, createRuntime, type Runtime, type Scene } from 'vitrail';
import { AvatarCrowd } from './avatar-crowd.ts';
import { setUpFace } from './avatar-face.ts';
import { AvatarTalk } from './avatar-talk.ts';
import { byId } from './dom.ts';
import { setUpDrop } from './file-drop.ts';
import { showNotice } from './notice.ts';
import { setUpPage } from './page-links.ts';
import { roseWindow } from './rose-window.ts';

const stage = byId('stage');
const calm = matchMedia('(prefers-reduced-motion: reduce)').matches;

let runtime: Promise<Runtime> | undefined;
const openRuntime = (): Promise<Runtime> => {
  runtime ??= createRuntime();
  return runtime;
};
const talk = new AvatarTalk(openRuntime, showNotice);
const crowd = new AvatarCrowd(openRuntime, showNotice);
let shown: { avatar: Avatar; scene: Scene; view: AvatarView; name: string } | undefined;
let loading: AbortController | undefined;
/** Draws the background that was chosen. */
let background: ((context: OffscreenCanvasRenderingContext2D) => void | Promise<void>) | undefined;

/** Opens splats in place of what is shown; no source means the avatar that comes along. A newer call wins over an older one. */
async function open(source: Blob | string | undefined, name: string): Promise<void> {
  loading?.abort();
  const mine = new AbortController();
  loading = mine;
  showNotice(null);
  showNote(`Opening ${name} …`);
  try {
    const avatar = await (await openRuntime()).loadAvatar(source, {
      signal: mine.signal,
      onProgress: ({ loadedBytes, totalBytes }) =>
        showNote(`Opening ${name} …`, totalBytes > 0 ? loadedBytes / totalBytes : undefined),
    });
    if (mine.signal.aborted) return await avatar.dispose();
    showNote('Preparing the GPU; the first picture takes longest …');
    await show(avatar, name, source);
  } catch (thrown) {
    if (!mine.signal.aborted) fail(thrown);
  }
}

async function show(
  avatar: Avatar,
  name: string,
  source: Blob | string | undefined,
): Promise<void> {
  const before = shown;
  const canvas = document.createElement('canvas');
  canvas.setAttribute('role', 'img');
  canvas.setAttribute('aria-label', `${name}, in three dimensions. Arrow keys turn it.`);
  byId('slot').replaceChildren(canvas);
  const scene = (await openRuntime()).createScene([{ avatar }]);
  const view = scene.attach(canvas);
  shown = { avatar, scene, view, name };
  view.on('error', fail);
  const forgetFirst = view.on('stats', () => {
    byId('note').hidden = true;
    forgetFirst();
  });
  view.on('stats', ({ framesPerSecond, splats, method }) => {
    const rate = framesPerSecond < 1 ? 'still' : `${Math.round(framesPerSecond)} fps`;
    byId('stats').textContent = `${rate} · ${splats.toLocaleString('en')} splats · ${method}`;
  });
  const { splats, shDegree, expressions, clips } = avatar.info;
  byId('title').textContent = name;
  byId('facts').textContent = [
    `${splats.toLocaleString('en')} splats`,
    shDegree > 0 ? `harmonics of degree ${shDegree}` : null,
    expressions.length > 0 ? `${expressions.length} expressions` : null,
    clips.length > 0 ? `${clips.length} clips` : null,
  ]
    .filter(Boolean)
    .join(' · ');
  talk.follow(avatar);
  await crowd.follow(avatar, scene, source);
  await setUpFace(avatar, { idle: !calm }, showNotice);
  await before?.avatar.dispose();
}

function fail(thrown: unknown): void {
  byId('note').hidden = true;
  showNotice(thrown);
}

function showNote(text: string, share?: number): void {
  byId('note').hidden = false;
  byId('note-text').textContent = text;
  const bar = byId<HTMLProgressElement>('note-bar');
  if (share === undefined) bar.removeAttribute('value');
  else bar.value = share;
}

/** A picture of what the stage shows, at twice the size of a large screen; transparent where no background was chosen. */
async function savePicture(): Promise<void> {
  if (!shown) return;
  const { clientWidth, clientHeight } = stage;
  const scale = 2048 / Math.max(clientWidth, clientHeight);
  const { scene, view, name } = shown;
  const picture = await scene.render({
    width: Math.round(clientWidth * scale),
    height: Math.round(clientHeight * scale),
    ...(view.camera ? { camera: view.camera } : {}),
  });
  const canvas = new OffscreenCanvas(picture.width, picture.height);
  const context = canvas.getContext('2d');
  if (!context) throw new Error('This browser draws no pictures.');
  context.putImageData(picture, 0, 0);
  context.globalCompositeOperation = 'destination-over';
  await background?.(context);
  const link = document.createElement('a');
  link.href = URL.createObjectURL(await canvas.convertToBlob());
  link.download = `${name.replace(/\.\w+$/, '')}.png`;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function setUpFiles(): void {
  const openFile = (file: File | undefined): void => {
    if (file) void open(file, file.name);
  };
  const input = byId<HTMLInputElement>('file');
  input.addEventListener('change', () => openFile(input.files?.[0]));
  setUpDrop(openFile);
}

function setUpBackground(): void {
  const color = byId<HTMLInputElement>('color');
  color.addEventListener('input', () => {
    stage.style.setProperty('--stage', color.value);
    stage.style.setProperty('--stage-image', 'none');
    background = (context) => {
      context.fillStyle = color.value;
      context.fillRect(0, 0, context.canvas.width, context.canvas.height);
    };
  });
  const image = byId<HTMLInputElement>('image');
  image.addEventListener('change', () => {
    const file = image.files?.[0];
    if (!file) return;
    stage.style.setProperty('--stage-image', `url("${URL.createObjectURL(file)}")`);
    background = (context) => cover(context, file);
  });
  byId('plain').addEventListener('click', () => {
    stage.style.removeProperty('--stage');
    stage.style.removeProperty('--stage-image');
    background = undefined;
  });
}

/** Fills the picture, as `background-size: cover` does. */
async function cover(context: OffscreenCanvasRenderingContext2D, file: Blob): Promise<void> {
  const image = await createImageBitmap(file);
  const { width, height } = context.canvas;
  const scale = Math.max(width / image.width, height / image.height);
  const [across, down] = [image.width * scale, image.height * scale];
  context.drawImage(image, (width - across) / 2, (height - down) / 2, across, down);
  image.close();
}

setUpPage();
setUpFiles();
setUpBackground();
byId('person').addEventListener('click', () => void open(undefined, 'A person'));
byId('rose').addEventListener('click', () => void open(roseWindow(), 'Rose window'));
byId('home').addEventListener('click', () => shown?.view.setCamera(null));
byId('picture').addEventListener('click', () => savePicture().catch(showNotice));
const source = new URLSearchParams(location.search).get('src');
void (source ? open(source, source.split('/').at(-1) ?? source) : open(undefined, 'A person'));
