import { halfToNumber } from '../quant/half.ts';
import {
  checkedCount,
  corruptSplats,
  degreeOfRest,
  emptyCloud,
  restCoefficients,
  type ShDegree,
  type SplatCloud,
  setRotation,
  unsupportedSplats,
} from './splat-cloud.ts';

const headerBytes = 4096;
const sectionHeaderBytes = 1024;

/** How a compression level stores numbers. */
interface Level {
  positionBytes: number;
  scaleBytes: number;
  rotationBytes: number;
  shBytes: number;
}

const levels: readonly Level[] = [
  { positionBytes: 4, scaleBytes: 4, rotationBytes: 4, shBytes: 4 },
  { positionBytes: 2, scaleBytes: 2, rotationBytes: 2, shBytes: 2 },
  { positionBytes: 2, scaleBytes: 2, rotationBytes: 2, shBytes: 1 },
];

interface Section {
  splats: number;
  maxSplats: number;
  bucketSplats: number;
  buckets: number;
  blockSize: number;
  bucketBytes: number;
  scaleRange: number;
  fullBuckets: number;
  partialBuckets: number;
  shDegree: ShDegree;
}

/** Coefficients in 8 bits are shares of this range. */
interface ShRange {
  min: number;
  max: number;
}

/**
 * `.ksplat` (mkkellogg/GaussianSplats3D): sections, each with buckets around whose centres positions of levels 1 and 2 are
 * 16-bit steps. Where sections differ in degree, the lowest one holds for all. Throws `model-corrupt`, `model-unsupported`.
 */
export function parseKsplat(file: Uint8Array): SplatCloud {
  if (file.length < headerBytes) throw corruptSplats('ksplat', 'it ends inside its header');
  const view = new DataView(file.buffer, file.byteOffset, file.byteLength);
  if (view.getUint8(0) !== 0 || view.getUint8(1) < 1) {
    throw corruptSplats('ksplat', 'it has no version of .ksplat');
  }
  const maxSections = view.getUint32(4, true);
  const count = checkedCount('ksplat', view.getUint32(16, true));
  const levelNumber = view.getUint16(20, true);
  const level = levels[levelNumber];
  if (!level) {
    throw unsupportedSplats(
      'ksplat',
      `Compression level ${levelNumber}`,
      'Export the file with compression level 0, 1 or 2.',
    );
  }
  const range = shRangeOf(view);
  let offset = headerBytes + maxSections * sectionHeaderBytes;
  if (offset > file.length) throw corruptSplats('ksplat', `it claims ${maxSections} sections`);
  // Some writers leave the number of sections in use at 0: unused ones hold no splats.
  const sections = Array.from({ length: maxSections }, (_, i) =>
    sectionOf(view, headerBytes + i * sectionHeaderBytes),
  );
  const degrees = sections.filter(({ splats }) => splats > 0).map(({ shDegree }) => shDegree);
  const degree = degrees.length > 0 ? Math.min(...degrees) : 0;
  const cloud = emptyCloud(boundedCount(count, file.length), degree as ShDegree);
  let done = 0;
  for (const section of sections) {
    const splats = Math.min(section.splats, count - done);
    const end = offset + sectionBytes(section, level);
    if (end > file.length) throw corruptSplats('ksplat', 'it ends inside a section');
    readSection({ view, offset, section, level, range }, cloud, done, splats);
    done += splats;
    offset = end;
  }
  if (done !== count) throw corruptSplats('ksplat', `it has ${done} of ${count} splats`);
  return cloud;
}

/** A count that the file's length allows, so that nothing is allocated for what is not there. */
function boundedCount(count: number, fileBytes: number): number {
  if (count * splatBytes(levels[1] as Level, 0) > fileBytes) {
    throw corruptSplats('ksplat', `it claims ${count} splats`);
  }
  return count;
}

function shRangeOf(view: DataView): ShRange {
  const min = view.getFloat32(36, true);
  const max = view.getFloat32(40, true);
  // Writers of version 0.1 leave both at 0 and mean −1.5..1.5.
  return min === 0 && max === 0 ? { min: -1.5, max: 1.5 } : { min, max };
}

function sectionOf(view: DataView, at: number): Section {
  const shDegree = degreeOfRest((view.getUint16(at + 40, true) + 1) ** 2 - 1);
  if (shDegree === null) throw corruptSplats('ksplat', 'a section has an unknown degree');
  const section = {
    splats: view.getUint32(at, true),
    maxSplats: view.getUint32(at + 4, true),
    bucketSplats: view.getUint32(at + 8, true),
    buckets: view.getUint32(at + 12, true),
    blockSize: view.getFloat32(at + 16, true),
    bucketBytes: view.getUint16(at + 20, true),
    scaleRange: view.getUint32(at + 24, true) || 32_767,
    fullBuckets: view.getUint32(at + 32, true),
    partialBuckets: view.getUint32(at + 36, true),
    shDegree,
  };
  if (section.splats > section.maxSplats || (section.buckets > 0 && section.bucketBytes < 12)) {
    throw corruptSplats('ksplat', 'a section contradicts itself');
  }
  return section;
}

function splatBytes(level: Level, shDegree: ShDegree): number {
  const { positionBytes, scaleBytes, rotationBytes, shBytes } = level;
  const rest = restCoefficients(shDegree) * 3 * shBytes;
  return 3 * positionBytes + 3 * scaleBytes + 4 * rotationBytes + 4 + rest;
}

function sectionBytes(section: Section, level: Level): number {
  return (
    section.partialBuckets * 4 +
    section.buckets * section.bucketBytes +
    section.maxSplats * splatBytes(level, section.shDegree)
  );
}

interface SectionSource {
  view: DataView;
  offset: number;
  section: Section;
  level: Level;
  range: ShRange;
}

function readSection(source: SectionSource, cloud: SplatCloud, first: number, count: number): void {
  const { view, offset, section, level, range } = source;
  const rowBytes = splatBytes(level, section.shDegree);
  const bucketsAt = offset + section.partialBuckets * 4;
  const splatsAt = bucketsAt + section.buckets * section.bucketBytes;
  const bucketOf = bucketFinder(view, offset, section);
  const step = section.blockSize / 2 / section.scaleRange;
  const fileRest = restCoefficients(section.shDegree);
  const rest = restCoefficients(cloud.shDegree);
  for (let i = 0; i < count; i += 1) {
    const row = splatsAt + i * rowBytes;
    const scalesAt = row + 3 * level.positionBytes;
    const rotationAt = scalesAt + 3 * level.scaleBytes;
    const colorAt = rotationAt + 4 * level.rotationBytes;
    const bucketAt = level.positionBytes === 2 ? bucketsAt + bucketOf(i) * section.bucketBytes : 0;
    const out = first + i;
    for (let axis = 0; axis < 3; axis += 1) {
      cloud.positions[out * 3 + axis] =
        level.positionBytes === 4
          ? view.getFloat32(row + axis * 4, true)
          : (view.getUint16(row + axis * 2, true) - section.scaleRange) * step +
            view.getFloat32(bucketAt + axis * 4, true);
      cloud.scales[out * 3 + axis] = readFloat(view, scalesAt, axis, level.scaleBytes);
      cloud.colors[out * 3 + axis] = view.getUint8(colorAt + axis) / 255;
    }
    const part = (at: number): number => readFloat(view, rotationAt, at, level.rotationBytes);
    setRotation(cloud.rotations, out, part(1), part(2), part(3), part(0));
    cloud.opacities[out] = view.getUint8(colorAt + 3) / 255;
    for (let k = 0; k < fileRest * 3; k += 1) {
      const target = restIndex(k);
      if (target >= rest * 3) continue;
      const value =
        level.shBytes === 1
          ? range.min + (view.getUint8(colorAt + 4 + k) / 255) * (range.max - range.min)
          : readFloat(view, colorAt + 4, k, level.shBytes);
      cloud.sh[out * rest * 3 + target] = value;
    }
  }
}

/** Which bucket a splat of a section is in: full ones come first, the rest say how many they hold. */
function bucketFinder(view: DataView, offset: number, section: Section): (splat: number) => number {
  const inFull = section.fullBuckets * section.bucketSplats;
  const last = Math.max(0, section.buckets - 1);
  let partial = 0;
  let partialEnd = inFull + (section.partialBuckets > 0 ? view.getUint32(offset, true) : 0);
  return (splat) => {
    if (splat < inFull) return Math.min(last, Math.floor(splat / section.bucketSplats));
    while (splat >= partialEnd && partial + 1 < section.partialBuckets) {
      partial += 1;
      partialEnd += view.getUint32(offset + partial * 4, true);
    }
    return Math.min(last, section.fullBuckets + partial);
  };
}

function readFloat(view: DataView, at: number, index: number, bytes: number): number {
  return bytes === 4
    ? view.getFloat32(at + index * 4, true)
    : halfToNumber(view.getUint16(at + index * 2, true));
}

/** The file has each band channel by channel; clouds have each coefficient with its three channels. */
function restIndex(k: number): number {
  const [bandStart, bandSize] = k < 9 ? [0, 3] : k < 24 ? [9, 5] : [24, 7];
  const inBand = k - bandStart;
  const channel = Math.floor(inBand / bandSize);
  return bandStart + (inBand % bandSize) * 3 + channel;
}
