/** The thread that writes one notebook as a page; it reads no files by itself. */
import { parentPort, workerData } from 'node:worker_threads';
import type { ReadAsset } from './markdown.js';
import type { Notebook } from './nbformat.js';
import { notebookHtml } from './notebook.js';

/** What the thread is started with. */
export interface RenderData {
  readonly notebook: Notebook;
  readonly title: string;
}

/** What the thread reports: the cell that it begins, a picture that it needs, and the page at last. */
export type RenderReport =
  | { readonly type: 'cell'; readonly index: number }
  | { readonly type: 'asset'; readonly path: string }
  | { readonly type: 'page'; readonly html: string };

/** The picture that the thread has asked for last. */
export interface AssetAnswer {
  readonly asset: Awaited<ReturnType<ReadAsset>>;
}

const port = parentPort!;
const report = (packet: RenderReport) => port.postMessage(packet);

/** Pictures are asked for one after the other. */
const readAsset: ReadAsset = (path) =>
  new Promise((resolve) => {
    port.once('message', ({ asset }: AssetAnswer) => resolve(asset));
    report({ type: 'asset', path });
  });

const { notebook, title } = workerData as RenderData;
const onCell = (index: number) => report({ type: 'cell', index });
report({ type: 'page', html: await notebookHtml(notebook, { title, readAsset, onCell }) });
