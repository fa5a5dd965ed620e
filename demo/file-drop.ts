import { byId } from './dom.ts';

/** A file that is dropped anywhere on the page; `#drop-hint` shows while one hovers. */
export function setUpDrop(openFile: (file: File | undefined) => void): void {
  let depth = 0;
  addEventListener('dragenter', () => {
    depth += 1;
    byId('drop-hint').hidden = false;
  });
  addEventListener('dragleave', () => {
    depth -= 1;
    byId('drop-hint').hidden = depth > 0;
  });
  addEventListener('dragover', (event) => event.preventDefault());
  addEventListener('drop', (event) => {
    event.preventDefault();
    depth = 0;
    byId('drop-hint').hidden = true;
    openFile(event.dataTransfer?.files[0]);
  });
}
