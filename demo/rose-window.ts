/** A rose window of coloured glass as a `.splat` file: what the page shows before a visitor brings splats of their own. */
export function roseWindow(): Blob {
  const rows: Row[] = [];
  for (const ring of rings) addRing(rows, ring);
  addTracery(rows);
  return pack(rows);
}

interface Row {
  position: [number, number, number];
  scale: [number, number, number];
  color: [number, number, number, number];
  /** Turn about the axis towards the viewer. */
  angle: number;
}

interface Ring {
  petals: number;
  inner: number;
  outer: number;
  colors: readonly [number, number, number][];
}

const ruby: [number, number, number] = [176, 30, 48];
const cobalt: [number, number, number] = [36, 74, 190];
const violet: [number, number, number] = [112, 66, 190];
const gold: [number, number, number] = [238, 172, 52];
const emerald: [number, number, number] = [28, 132, 96];
const sky: [number, number, number] = [92, 156, 232];

/** Enough that panes have no holes. */
const splatsPerArea = 11_000;

const rings: readonly Ring[] = [
  { petals: 6, inner: 0.02, outer: 0.3, colors: [gold, ruby] },
  { petals: 12, inner: 0.34, outer: 0.78, colors: [cobalt, violet, ruby] },
  { petals: 24, inner: 0.82, outer: 1.16, colors: [sky, cobalt, emerald, gold] },
];

/** Glass has streaks and bubbles: colours and depths differ a little from splat to splat. */
function addRing(rows: Row[], { petals, inner, outer, colors }: Ring): void {
  const random = sequence(petals);
  const width = (2 * Math.PI) / petals;
  for (let petal = 0; petal < petals; petal += 1) {
    const base = colors[petal % colors.length] as [number, number, number];
    const area = (outer * outer - inner * inner) / petals;
    for (let i = 0; i < area * splatsPerArea; i += 1) {
      const radius = Math.sqrt(inner * inner + random() * area * petals);
      const angle = petal * width + (random() * 2 - 1) * width * 0.5;
      const light = 0.72 + 0.5 * random() + 0.25 * Math.sin(radius * 21 + petal);
      rows.push({
        position: [
          Math.cos(angle) * radius,
          Math.sin(angle) * radius,
          0.05 * Math.cos(radius * 2.4) + (random() - 0.5) * 0.012,
        ],
        scale: [0.021, 0.0115, 0.0015],
        color: [base[0] * light, base[1] * light, base[2] * light, 214],
        angle: angle + (random() - 0.5) * 0.5,
      });
    }
  }
}

/** The lead between the panes: circles, and spokes in each ring. */
function addTracery(rows: Row[]): void {
  const random = sequence(7);
  const lead = (x: number, y: number, angle: number): void => {
    const shade = 26 + 26 * random();
    rows.push({
      position: [x, y, 0.06 * Math.cos(Math.hypot(x, y) * 2.4) + (random() - 0.5) * 0.02],
      scale: [0.016, 0.0055, 0.006],
      color: [shade, shade, shade + 6, 250],
      angle,
    });
  };
  for (const radius of [0.32, 0.8, 1.18, 1.21]) {
    for (let i = 0; i < radius * 900; i += 1) {
      const angle = random() * 2 * Math.PI;
      lead(Math.cos(angle) * radius, Math.sin(angle) * radius, angle + Math.PI / 2);
    }
  }
  for (const { petals, inner, outer } of rings) {
    for (let i = 0; i < petals * 60; i += 1) {
      const angle = ((i % petals) + 0.5) * ((2 * Math.PI) / petals);
      const radius = inner + (outer - inner) * random();
      lead(Math.cos(angle) * radius, Math.sin(angle) * radius, angle);
    }
  }
}

function pack(rows: readonly Row[]): Blob {
  const bytes = new Uint8Array(rows.length * 32);
  const view = new DataView(bytes.buffer);
  rows.forEach(({ position, scale, color, angle }, row) => {
    const at = row * 32;
    position.forEach((value, i) => {
      view.setFloat32(at + i * 4, value, true);
    });
    scale.forEach((value, i) => {
      view.setFloat32(at + 12 + i * 4, value, true);
    });
    color.forEach((value, i) => {
      bytes[at + 24 + i] = Math.max(0, Math.min(255, value));
    });
    bytes[at + 28] = Math.min(255, 128 + 128 * Math.cos(angle / 2));
    bytes[at + 29] = 128;
    bytes[at + 30] = 128;
    bytes[at + 31] = Math.min(255, 128 + 128 * Math.sin(angle / 2));
  });
  return new Blob([bytes]);
}

/** Numbers 0..1 that are the same at each visit (mulberry32). */
function sequence(seed: number): () => number {
  let state = seed * 0x9e37_79b9;
  return () => {
    state = (state + 0x6d2b_79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), 1 | state);
    mixed = (mixed + Math.imul(mixed ^ (mixed >>> 7), 61 | mixed)) ^ mixed;
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}
