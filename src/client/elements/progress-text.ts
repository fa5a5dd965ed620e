import type { LoadPhase, LoadProgress } from '../../types.ts';

const phaseTexts: Record<LoadPhase, string> = {
  download: 'Downloading',
  verify: 'Checking',
  repack: 'Preparing',
  upload: 'Moving to the GPU',
  compile: 'Compiling',
};

/** `Downloading 12.5 of 98.4 MB, 4.1 MB/s`. */
export function describeProgress(progress: LoadProgress): string {
  const { phase, loadedBytes, totalBytes, cached, bytesPerSecond } = progress;
  const what = cached && phase === 'download' ? 'Reading from this browser' : phaseTexts[phase];
  if (totalBytes <= 0) return `${what} …`;
  const amount = `${what} ${megabytes(loadedBytes)} of ${megabytes(totalBytes)} MB`;
  return bytesPerSecond > 0 ? `${amount}, ${megabytes(bytesPerSecond)} MB/s` : amount;
}

function megabytes(bytes: number): string {
  return (bytes / 1e6).toFixed(1);
}
