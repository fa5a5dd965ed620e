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
 * @param {{ gpu: boolean, canvas?: boolean }} options `canvas`: the GPU draws on canvases.
 */
export async function launchBrowser({ gpu, canvas = false }) {
  const { PLAYWRIGHT, BROWSER } = process.env;
  if (PLAYWRIGHT && BROWSER) {
    const { chromium } = await import(pathToFileURL(join(PLAYWRIGHT, 'index.mjs')).href);
    return chromium.launch({ executablePath: BROWSER, args: hardwareFlags, handleSIGINT: false });
  }
  const { chromium } = await import('playwright');
  const { ensureChromium, softwareAdapterFlags, softwareCanvasFlags } = await import(
    './chromium.mjs'
  );
  return chromium.launch({
    executablePath: ensureChromium(),
    args: gpu ? hardwareFlags : [...softwareAdapterFlags, ...(canvas ? softwareCanvasFlags : [])],
    handleSIGINT: false,
  });
}
