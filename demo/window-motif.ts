import { svgNamespace } from './dom.ts';

/** Rings of the rose window from the centre out: inner and outer radius, number of panes, their colours in turn. */
const rings = [
  { inner: 21, outer: 61, panes: 8, colours: ['#4f7bf7', '#8464de'], pointed: true },
  {
    inner: 66,
    outer: 98,
    panes: 16,
    colours: ['#2f55d4', '#3aa0d8', '#6a50c4', '#3aa0d8'],
    pointed: false,
  },
];
const heart = '#f2b544';
const ground = '#22357f';
const roundel = '#f2b544';

/** Draws the window, unlit. Returns the function that lights a share (0 to 1) of its panes, from the centre out. */
export function drawWindow(svg: SVGElement): (share: number) => void {
  const panes = [
    pane(circlePath(66), ground),
    pane(circlePath(21), heart),
    ...rings.flatMap(ringPanes),
    ...roundels(),
  ];
  const frame = shape(circlePath(100));
  frame.setAttribute('class', 'frame');
  svg.replaceChildren(...panes, frame);
  return (share) => {
    const lit = Math.round(share * panes.length);
    for (const [index, path] of panes.entries()) path.classList.toggle('lit', index < lit);
  };
}

/** Small round panes between the tips of the petals. */
function roundels(): SVGPathElement[] {
  return Array.from({ length: 8 }, (_, index) => {
    const angle = (index * Math.PI) / 4 - Math.PI / 2;
    const [x, y] = [54 * Math.cos(angle), 54 * Math.sin(angle)];
    return pane(circlePath(6.5, x, y), roundel);
  });
}

function ringPanes(ring: (typeof rings)[number]): SVGPathElement[] {
  const step = (2 * Math.PI) / ring.panes;
  return Array.from({ length: ring.panes }, (_, index) => {
    const from = index * step - Math.PI / 2;
    const path = ring.pointed
      ? petalPath(ring.inner, ring.outer, from, from + step)
      : segmentPath(ring.inner, ring.outer, from, from + step);
    return pane(path, ring.colours[index % ring.colours.length] ?? heart);
  });
}

function segmentPath(inner: number, outer: number, from: number, to: number): string {
  return [
    `M${point(inner, from)}A${inner} ${inner} 0 0 1 ${point(inner, to)}`,
    `L${point(outer, to)}A${outer} ${outer} 0 0 0 ${point(outer, from)}Z`,
  ].join('');
}

/** A pane whose outer edge is a Gothic point. */
function petalPath(inner: number, outer: number, from: number, to: number): string {
  const shoulder = inner + (outer - inner) * 0.62;
  const middle = (from + to) / 2;
  return [
    `M${point(inner, from)}A${inner} ${inner} 0 0 1 ${point(inner, to)}L${point(shoulder, to)}`,
    `Q${point(outer * 0.96, middle + (to - middle) * 0.55)} ${point(outer, middle)}`,
    `Q${point(outer * 0.96, middle - (to - middle) * 0.55)} ${point(shoulder, from)}Z`,
  ].join('');
}

function circlePath(radius: number, x = 0, y = 0): string {
  const half = `a${radius} ${radius} 0 1 0`;
  return `M${(x - radius).toFixed(2)} ${y.toFixed(2)}${half} ${2 * radius} 0${half} ${-2 * radius} 0Z`;
}

function point(radius: number, angle: number): string {
  return `${(radius * Math.cos(angle)).toFixed(2)} ${(radius * Math.sin(angle)).toFixed(2)}`;
}

function pane(path: string, colour: string): SVGPathElement {
  const element = shape(path);
  element.setAttribute('class', 'pane');
  element.style.setProperty('--glass', colour);
  return element;
}

function shape(path: string): SVGPathElement {
  const element = document.createElementNS(svgNamespace, 'path');
  element.setAttribute('d', path);
  return element;
}
