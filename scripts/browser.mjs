/** Launches Chromium for the scripts that run models: on the software adapter, or on the machine's GPU. */
import { join } from 'node:path';
import { pathToFileURL } from 'node:url';

/** Linux with an NVIDIA GPU, headless. Without vulkan_enable_f16_on_nvidia the GPU has no shader-f16 there, as most visitors' have not. */
const hardwareFlags = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--enable-features=Vulkan,VulkanFromANGLE,DefaultANGLEVulkan',
  '--use-angle=vulkan',
  '--disable-vulkan-surface',
  '--ignore-gpu-blocklist',
  '--enable-dawn-features=vulkan_enable_f16_on_nvidia',
  // Exact timestamps for the profiler; browsers round them to 0.1 ms.
  '--disable-dawn-features=timestamp_quantization',
];

/**
 * The browser: BROWSER and PLAYWRIGHT name an executable and a playwright-core folder on hosts where nothing is installed.
 * @param {{ gpu: boolean, canvas?: boolean, flags?: string }} options `canvas`: the GPU draws on canvases. `flags`: more of Chromium's,
 * between spaces.
 */
export async function launchBrowser({ gpu, canvas = false, flags = '' }) {
  const more = flags.split(' ').filter(Boolean);
  const { PLAYWRIGHT, BROWSER } = process.env;
  if (PLAYWRIGHT && BROWSER) {
    const { chromium } = await import(pathToFileURL(join(PLAYWRIGHT, 'index.mjs')).href);
    return chromium.launch({
      executablePath: BROWSER,
      args: joinLists([...hardwareFlags, ...more]),
      handleSIGINT: false,
    });
  }
  const { chromium } = await import('playwright');
  const { ensureChromium, softwareAdapterFlags, softwareCanvasFlags } = await import(
    './chromium.mjs'
  );
  const software = [...softwareAdapterFlags, ...(canvas ? softwareCanvasFlags : [])];
  return chromium.launch({
    executablePath: ensureChromium(),
    args: joinLists([...(gpu ? hardwareFlags : software), ...more]),
    handleSIGINT: false,
  });
}

/** Of flags that take lists of features Chromium hears the last one alone: those of a name are joined. */
function joinLists(flags) {
  const joined = new Map();
  for (const flag of flags) {
    const [name, value] = flag.split(/=(.*)/s);
    const isList = /-features$/.test(name) && joined.has(name);
    joined.set(name, isList ? `${joined.get(name)},${value}` : value);
  }
  return [...joined].map(([name, value]) => (value === undefined ? name : `${name}=${value}`));
}
