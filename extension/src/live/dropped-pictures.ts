import { largestPictureBytes } from '@fovea/kernel/presentation';
import type { Contents } from '@jupyterlab/services';

/**
 * Takes pictures that are dropped on an element; the browser would leave the page, or open them in a tab.
 * @param onFiles called with what was dropped, pictures or not
 */
export function takeDrops(node: HTMLElement, onFiles: (files: readonly File[]) => void): void {
  const hasFiles = ({ dataTransfer }: DragEvent) => dataTransfer?.types.includes('Files') ?? false;
  const mark = (isOver: boolean) => node.classList.toggle('fovea-mod-drop', isOver);
  node.addEventListener('dragover', (event) => {
    if (!hasFiles(event)) return;
    event.preventDefault();
    event.dataTransfer!.dropEffect = 'copy';
    mark(true);
  });
  node.addEventListener('dragleave', (event) => {
    if (!node.contains(event.relatedTarget as Node | null)) mark(false);
  });
  node.addEventListener('drop', (event) => {
    mark(false);
    if (!hasFiles(event)) return;
    event.preventDefault();
    onFiles([...event.dataTransfer!.files]);
  });
}

type Uploader = Pick<Contents.IManager, 'get' | 'save'>;

/** The last upload: another one looks for a free name when it has ended. */
const uploads = new WeakMap<Uploader, Promise<unknown>>();

/**
 * Uploads a picture into a folder, under a name that is free there; resolves to the name.
 * @param folder ends with a slash, or is empty for the root
 * @throws Error for what is no picture or too large, and when the server refuses it
 */
export function uploadPicture(contents: Uploader, folder: string, file: File): Promise<string> {
  const before = uploads.get(contents) ?? Promise.resolve();
  const uploaded = before.then(() => upload(contents, folder, file));
  uploads.set(
    contents,
    uploaded.catch(() => undefined),
  );
  return uploaded;
}

async function upload(contents: Uploader, folder: string, file: File): Promise<string> {
  if (!file.type.startsWith('image/')) throw new Error(`${file.name} is no picture that can be read.`);
  if (file.size > largestPictureBytes) {
    const [size, most] = [Math.ceil(file.size / 1e6), largestPictureBytes / 1e6];
    throw new Error(`${file.name} has ${size} MB; the panel takes up to ${most} MB.`);
  }
  const listing = (await contents.get(folder.slice(0, -1))).content as readonly Contents.IModel[];
  const name = freeName(file.name, new Set(listing.map((entry) => entry.name)));
  const content = await base64(file);
  await contents.save(folder + name, { type: 'file', format: 'base64', content });
  return name;
}

/** `a.png`, or where that is taken `a 2.png`, `a 3.png`, … */
function freeName(name: string, taken: ReadonlySet<string>): string {
  const dot = name.lastIndexOf('.');
  const [stem, extension] = dot > 0 ? [name.slice(0, dot), name.slice(dot)] : [name, ''];
  let free = name;
  for (let count = 2; taken.has(free); count++) free = `${stem} ${count}${extension}`;
  return free;
}

function base64(file: File): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      const url = reader.result as string;
      resolve(url.slice(url.indexOf(',') + 1));
    };
    reader.onerror = () => reject(reader.error ?? new Error(`${file.name} could not be read.`));
    reader.readAsDataURL(file);
  });
}
