declare const __VITRAIL_DATA__: string | null;

/** Is the folder of real models there? Says so where it is not, so that a skip is never silent. */
export function hasData(): boolean {
  const found = __VITRAIL_DATA__ !== null;
  if (!found) console.info('skipped: the folder of real models, ../shared/data, is missing');
  return found;
}

/** A file of the folder of real models, in a test that runs in the browser. */
export async function fetchData(path: string): Promise<Uint8Array<ArrayBuffer>> {
  return fetchFile(`/@fs${__VITRAIL_DATA__}/${path}`);
}

/** A file of the project, by its path from the root. */
export async function fetchFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  const response = await fetch(path);
  if (!response.ok) throw new Error(`${path}: HTTP ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}
