/** Flags that make a Chromium without a GPU run WebGPU on its software adapter, and keep it quiet without a network. */
export const softwareAdapterFlags: string[];
/** The software adapter draws on canvases and gives external textures with these alone. */
export const softwareCanvasFlags: string[];
/** The path of an installed Chromium; null where there is none. */
export function findChromium(): string | null;
/** Finds a Chromium, or installs one. */
export function ensureChromium(): string;
