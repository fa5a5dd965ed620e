import { kernelTest } from '../testing/kernel-test.ts';
import { tileRasterCases } from './tile-raster.ref.ts';
import { tileRaster } from './tile-raster.ts';

kernelTest(tileRaster, tileRasterCases);
