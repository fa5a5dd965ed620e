import {
  checkedCount,
  corruptSplats,
  emptyCloud,
  restCoefficients,
  type ShDegree,
  type SplatCloud,
  setSmallestThree,
  shBand0,
  unsupportedSplats,
} from './splat-cloud.ts';

/** An image as bytes R, G, B, A, colours not multiplied by alpha. */
export interface RgbaImage {
  width: number;
  height: number;
  data: Uint8Array | Uint8ClampedArray;
}

/** Decodes an image file (WebP, without loss). Throws what it likes for bytes that are none. */
export type ImageDecoder = (file: Uint8Array) => Promise<RgbaImage>;

/** The bytes of a file of the scene, by its name in meta.json; null where it is missing. */
export type FileReader = (name: string) => Promise<Uint8Array | null>;

interface Plane {
  files: string[];
  codebook: number[];
}

/** Centroids stand in rows of 64. */
const centroidsPerRow = 64;

/**
 * SOG version 2 (Spatially Ordered Gaussians, PlayCanvas): planes of images that `meta.json` describes. The decoder is given, so that this
 * runs wherever one is. Throws `model-corrupt` and `model-unsupported`.
 */
export async function parseSog(
  metaJson: Uint8Array,
  read: FileReader,
  decode: ImageDecoder,
): Promise<SplatCloud> {
  const meta = parseMeta(metaJson);
  if (meta.version !== 2) {
    throw unsupportedSplats('sog', `SOG version ${meta.version ?? 1}`, 'Export it as version 2.');
  }
  const count = checkedCount('sog', Number(meta.count));
  const rest = meta.shN === undefined ? null : record(meta.shN);
  const degree = rest ? Number(rest.bands) : 0;
  if (![0, 1, 2, 3].includes(degree)) throw corruptSplats('sog', `it has ${degree} bands`);
  const open = async (name: string, pixels: number): Promise<RgbaImage> =>
    decoded(name, await read(name), decode, pixels);
  const means = record(meta.means);
  const [low, high] = fileNames(means, 2);
  const images = await Promise.all([
    open(low as string, count),
    open(high as string, count),
    open(fileNames(record(meta.quats), 1)[0] as string, count),
  ]);
  const cloud = emptyCloud(count, degree as ShDegree);
  readMeans(cloud, means, images[0], images[1]);
  readRotations(cloud, images[2]);
  const scales = planeOf(record(meta.scales), 1);
  readScales(cloud, scales, await open(scales.files[0] as string, count));
  const colors = planeOf(record(meta.sh0), 1);
  readColors(cloud, colors, await open(colors.files[0] as string, count));
  if (rest && degree > 0) {
    const plane = planeOf(rest, 2);
    const centroids = Number(rest.count);
    const rows = Math.ceil(centroids / centroidsPerRow);
    const pixels = rows * centroidsPerRow * restCoefficients(cloud.shDegree);
    if (!(centroids > 0)) throw corruptSplats('sog', 'it has no centroids');
    const palette = await open(plane.files[0] as string, pixels);
    readRest(cloud, plane, centroids, palette, await open(plane.files[1] as string, count));
  }
  return cloud;
}

function parseMeta(bytes: Uint8Array): Record<string, unknown> {
  try {
    return record(JSON.parse(new TextDecoder().decode(bytes)));
  } catch {
    throw corruptSplats('sog', 'meta.json cannot be read');
  }
}

async function decoded(
  name: string,
  file: Uint8Array | null,
  decode: ImageDecoder,
  pixels: number,
): Promise<RgbaImage> {
  if (!file) throw corruptSplats('sog', `the image ${name} is missing`);
  const image = await decode(file).catch((): never => {
    throw corruptSplats('sog', `the image ${name} cannot be decoded`);
  });
  if (image.width * image.height < pixels || image.data.length < image.width * image.height * 4) {
    throw corruptSplats('sog', `the image ${name} has ${image.width} × ${image.height} pixels`);
  }
  return image;
}

/** 16 bits between the bounds, on a scale that is logarithmic on both sides of 0. */
function readMeans(
  cloud: SplatCloud,
  means: Record<string, unknown>,
  low: RgbaImage,
  high: RgbaImage,
): void {
  const mins = numbers(means.mins, 3);
  const maxs = numbers(means.maxs, 3);
  for (let i = 0; i < cloud.count; i += 1) {
    for (let axis = 0; axis < 3; axis += 1) {
      const at = i * 4 + axis;
      const share = ((low.data[at] as number) + (high.data[at] as number) * 256) / 65_535;
      const min = mins[axis] as number;
      const value = min + ((maxs[axis] as number) - min) * share;
      cloud.positions[i * 3 + axis] = Math.sign(value) * Math.expm1(Math.abs(value));
    }
  }
}

/** Alpha, from 252 on, names the component that is left out. */
function readRotations(cloud: SplatCloud, { data }: RgbaImage): void {
  const part = (at: number): number => ((data[at] as number) / 255 - 0.5) * Math.SQRT2;
  for (let i = 0; i < cloud.count; i += 1) {
    const largest = (data[i * 4 + 3] as number) - 252;
    if (largest < 0) throw corruptSplats('sog', 'a rotation has an unknown form');
    setSmallestThree(cloud.rotations, i, largest, part(i * 4), part(i * 4 + 1), part(i * 4 + 2));
  }
}

function readScales(cloud: SplatCloud, { codebook }: Plane, { data }: RgbaImage): void {
  for (let i = 0; i < cloud.count; i += 1) {
    for (let axis = 0; axis < 3; axis += 1) {
      cloud.scales[i * 3 + axis] = Math.exp(codebook[data[i * 4 + axis] as number] as number);
    }
  }
}

function readColors(cloud: SplatCloud, { codebook }: Plane, { data }: RgbaImage): void {
  for (let i = 0; i < cloud.count; i += 1) {
    for (let channel = 0; channel < 3; channel += 1) {
      const coefficient = codebook[data[i * 4 + channel] as number] as number;
      cloud.colors[i * 3 + channel] = 0.5 + shBand0 * coefficient;
    }
    cloud.opacities[i] = (data[i * 4 + 3] as number) / 255;
  }
}

function readRest(
  cloud: SplatCloud,
  { codebook }: Plane,
  centroids: number,
  palette: RgbaImage,
  labels: RgbaImage,
): void {
  const rest = restCoefficients(cloud.shDegree);
  if (palette.width !== centroidsPerRow * rest) {
    throw corruptSplats('sog', `its centroids are ${palette.width} pixels wide`);
  }
  for (let i = 0; i < cloud.count; i += 1) {
    const label = (labels.data[i * 4] as number) + (labels.data[i * 4 + 1] as number) * 256;
    if (label >= centroids) throw corruptSplats('sog', `it names the centroid ${label}`);
    const row = Math.floor(label / centroidsPerRow) * palette.width;
    const first = row + (label % centroidsPerRow) * rest;
    for (let k = 0; k < rest; k += 1) {
      for (let channel = 0; channel < 3; channel += 1) {
        const code = palette.data[(first + k) * 4 + channel] as number;
        cloud.sh[(i * rest + k) * 3 + channel] = codebook[code] as number;
      }
    }
  }
}

function planeOf(value: Record<string, unknown>, files: number): Plane {
  return { files: fileNames(value, files), codebook: numbers(value.codebook, 256) };
}

function fileNames(value: Record<string, unknown>, count: number): string[] {
  const { files } = value;
  if (Array.isArray(files) && files.length >= count && files.every((n) => typeof n === 'string')) {
    return files as string[];
  }
  throw corruptSplats('sog', 'meta.json does not name its images');
}

function numbers(value: unknown, count: number): number[] {
  if (Array.isArray(value) && value.length >= count && value.every(Number.isFinite)) return value;
  throw corruptSplats('sog', `meta.json has no ${count} numbers where it should`);
}

function record(value: unknown): Record<string, unknown> {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) {
    return value as Record<string, unknown>;
  }
  throw corruptSplats('sog', 'meta.json has another shape');
}
