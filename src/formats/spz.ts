import { decompress as decompressZstd } from 'fzstd';
import { halfToNumber } from '../quant/half.ts';
import { inflate } from './inflate.ts';
import {
  checkedCount,
  corruptSplats,
  emptyCloud,
  restCoefficients,
  type ShDegree,
  type SplatCloud,
  setRotation,
  shBand0,
  unsupportedSplats,
} from './splat-cloud.ts';

const magic = 0x5053_474e;
const headerBytes = 16;
/** Colours are stored as ½ + 0.15 · f_dc. */
const colorScale = 0.15;

interface Header {
  version: number;
  count: number;
  shDegree: ShDegree;
  fractionalBits: number;
}

/** The columns of a file, each for all splats. */
interface Columns {
  positions: Uint8Array;
  alphas: Uint8Array;
  colors: Uint8Array;
  scales: Uint8Array;
  rotations: Uint8Array;
  sh: Uint8Array;
}

/**
 * `.spz` (Niantic Labs): versions 1 to 3 as one gzip stream or unpacked, version 4 as a zstd frame for each column. SPZ has y up and
 * z towards the viewer; the cloud has y down and z away, as files of 3DGS do, so that a scene is the same from both.
 * Throws `model-corrupt` and `model-unsupported`.
 */
export async function parseSpz(file: Uint8Array): Promise<SplatCloud> {
  const isGzip = file[0] === 0x1f && file[1] === 0x8b;
  const bytes = isGzip ? await inflate(file, 'gzip') : file;
  const header = headerOf(bytes);
  const columns = header.version === 4 ? framedColumns(bytes, header) : plainColumns(bytes, header);
  return cloudOf(header, columns);
}

function headerOf(bytes: Uint8Array): Header {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < headerBytes || view.getUint32(0, true) !== magic) {
    throw corruptSplats('spz', 'it has no SPZ header');
  }
  const version = view.getUint32(4, true);
  if (version < 1 || version > 4) {
    throw unsupportedSplats('spz', `SPZ version ${version}`, 'Export the file as version 1 to 4.');
  }
  const degree = view.getUint8(12);
  if (degree > 3) {
    throw unsupportedSplats(
      'spz',
      `Spherical harmonics of degree ${degree}`,
      'Export the file with degree 3 or less.',
    );
  }
  const count = checkedCount('spz', view.getUint32(8, true));
  return { version, count, shDegree: degree as ShDegree, fractionalBits: view.getUint8(13) };
}

function columnBytes({ version, count, shDegree }: Header): number[] {
  const positionBytes = version === 1 ? 6 : 9;
  const rotationBytes = version >= 3 ? 4 : 3;
  const rest = restCoefficients(shDegree) * 3;
  return [positionBytes, 1, 3, 3, rotationBytes, rest].map((bytes) => bytes * count);
}

function plainColumns(bytes: Uint8Array, header: Header): Columns {
  let offset = headerBytes;
  const parts = columnBytes(header).map((length) => {
    const part = bytes.subarray(offset, offset + length);
    if (part.length !== length) throw corruptSplats('spz', 'it ends inside its splats');
    offset += length;
    return part;
  });
  return named(parts);
}

function named(parts: readonly Uint8Array[]): Columns {
  const [positions, alphas, colors, scales, rotations, sh] = parts as [
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
    Uint8Array,
  ];
  return { positions, alphas, colors, scales, rotations, sh };
}

/** Version 4: a table of packed and unpacked lengths at the offset in byte 16, and the frames behind it. */
function framedColumns(bytes: Uint8Array, header: Header): Columns {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 32) throw corruptSplats('spz', 'it ends inside its header');
  const streams = view.getUint8(15);
  const tableAt = view.getUint32(16, true);
  let offset = tableAt + streams * 16;
  if (offset > bytes.length) throw corruptSplats('spz', 'it ends inside its table');
  const parts = columnBytes(header).map((length, i) => {
    if (length === 0) return new Uint8Array();
    if (i >= streams) throw corruptSplats('spz', `it has ${streams} streams`);
    const packedBytes = Number(view.getBigUint64(tableAt + i * 16, true));
    const plainBytes = Number(view.getBigUint64(tableAt + i * 16 + 8, true));
    if (plainBytes !== length || offset + packedBytes > bytes.length) {
      throw corruptSplats('spz', `its stream ${i} has ${plainBytes} bytes instead of ${length}`);
    }
    const part = unpackFrame(bytes.subarray(offset, offset + packedBytes), length);
    offset += packedBytes;
    return part;
  });
  return named(parts);
}

function unpackFrame(frame: Uint8Array, bytes: number): Uint8Array {
  try {
    const unpacked = decompressZstd(frame, new Uint8Array(bytes));
    if (unpacked.length === bytes) return unpacked;
  } catch {
    // The same verdict as for a frame of another length.
  }
  throw corruptSplats('spz', 'its packed data are damaged');
}

function cloudOf(header: Header, columns: Columns): SplatCloud {
  const { count, shDegree } = header;
  const cloud = emptyCloud(count, shDegree);
  readPositions(cloud, columns.positions, header);
  for (let i = 0; i < count * 3; i += 1) {
    cloud.scales[i] = Math.exp((columns.scales[i] as number) / 16 - 10);
    cloud.colors[i] = 0.5 + shBand0 * (((columns.colors[i] as number) / 255 - 0.5) / colorScale);
  }
  for (let i = 0; i < count; i += 1) {
    cloud.opacities[i] = (columns.alphas[i] as number) / 255;
    if (header.version >= 3) readSmallestThree(cloud, columns.rotations, i);
    else readFirstThree(cloud, columns.rotations, i);
  }
  const restValues = restCoefficients(shDegree) * 3;
  for (let i = 0; i < cloud.sh.length; i += 1) {
    const sign = restSigns[Math.floor((i % restValues) / 3)] as number;
    cloud.sh[i] = (sign * ((columns.sh[i] as number) - 128)) / 128;
  }
  return cloud;
}

/** What half a turn about x makes of the real spherical harmonics of bands 1, 2 and 3. */
const restSigns = [-1, -1, 1, -1, 1, 1, -1, 1, -1, 1, -1, -1, 1, -1, 1];

/** Half a turn about x negates y and z. */
function turn(coordinate: number): number {
  return coordinate % 3 === 0 ? 1 : -1;
}

/** Version 1 has halves, later ones 24-bit fixed point. */
function readPositions(
  cloud: SplatCloud,
  bytes: Uint8Array,
  { version, fractionalBits }: Header,
): void {
  const step = 2 ** -fractionalBits;
  for (let i = 0; i < cloud.positions.length; i += 1) {
    if (version === 1) {
      const bits = (bytes[i * 2] as number) | ((bytes[i * 2 + 1] as number) << 8);
      cloud.positions[i] = halfToNumber(bits) * turn(i);
    } else {
      const at = i * 3;
      const top = (bytes[at + 2] as number) << 24;
      const word = top | ((bytes[at + 1] as number) << 16) | ((bytes[at] as number) << 8);
      cloud.positions[i] = (word >> 8) * step * turn(i);
    }
  }
}

/** Versions 1 and 2: x, y and z in a byte each; w is not negative. */
function readFirstThree(cloud: SplatCloud, bytes: Uint8Array, index: number): void {
  const part = (at: number): number => (bytes[index * 3 + at] as number) / 127.5 - 1;
  const [x, y, z] = [part(0), part(1), part(2)];
  const w = Math.sqrt(Math.max(0, 1 - x * x - y * y - z * z));
  setRotation(cloud.rotations, index, x, -y, -z, w);
}

/** From version 3: ten bits (sign and magnitude) for each but the largest of x, y, z, w, which two bits name. */
function readSmallestThree(cloud: SplatCloud, bytes: Uint8Array, index: number): void {
  const at = index * 4;
  const low = (bytes[at] as number) | ((bytes[at + 1] as number) << 8);
  let packed = (low | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)) >>> 0;
  const largest = packed >>> 30;
  const parts = [0, 0, 0, 0];
  let squares = 0;
  for (let i = 3; i >= 0; i -= 1) {
    if (i === largest) continue;
    const magnitude = ((packed & 511) / 511) * Math.SQRT1_2;
    parts[i] = packed & 512 ? -magnitude : magnitude;
    squares += magnitude * magnitude;
    packed >>>= 10;
  }
  parts[largest] = Math.sqrt(Math.max(0, 1 - squares));
  const [x, y, z, w] = parts as [number, number, number, number];
  setRotation(cloud.rotations, index, x, -y, -z, w);
}
