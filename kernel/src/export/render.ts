import { Worker } from 'node:worker_threads';
import { FoveaError } from '@fovea/engine/errors';
import type { ReadAsset } from './markdown.js';
import type { Notebook } from './nbformat.js';
import type { ExportOptions } from './notebook.js';
import type { AssetAnswer, RenderData, RenderReport } from './render-thread.js';

/** Threads run the built code, whether that of this file is built or not. */
const THREAD = new URL('../../lib/export/render-thread.js', import.meta.url);

/** Longer than any cell of a readable notebook takes on a slow machine. */
const CELL_LIMIT_MS = 30_000;

export interface RenderOptions extends ExportOptions {
  /** Ends the work when nobody waits for the page any more. */
  readonly signal?: AbortSignal;
  /** How long one cell may take. */
  readonly cellLimitMs?: number;
}

/**
 * A notebook as `notebookHtml` writes it, on a thread of its own: some Markdown takes minutes, and all else on the
 * same thread would wait as long.
 * @throws FoveaError `bad-file` naming the cell that takes too long, or too much memory; `aborted`
 */
export async function renderNotebook(notebook: Notebook, options: RenderOptions): Promise<string> {
  const { title, readAsset, signal, cellLimitMs = CELL_LIMIT_MS } = options;
  if (signal?.aborted) throw aborted();
  const thread = new Worker(THREAD, {
    execArgv: [],
    workerData: { notebook, title } satisfies RenderData,
  });
  let timer: NodeJS.Timeout | undefined;
  let onAbort: (() => void) | undefined;
  try {
    return await new Promise<string>((resolve, reject) => {
      let at = '';
      const begin = (index: number) => {
        at = `Cell ${index + 1}`;
        clearTimeout(timer);
        timer = setTimeout(() => {
          reject(refused(`${at} takes longer than ${cellLimitMs / 1000} s to be written as a page`));
        }, cellLimitMs);
      };
      onAbort = () => reject(aborted());
      signal?.addEventListener('abort', onAbort);
      thread.on('message', (report: RenderReport) => {
        if (report.type === 'page') resolve(report.html);
        else if (report.type === 'asset') void answer(thread, report.path, readAsset);
        else begin(report.index);
      });
      thread.on('error', (error: NodeJS.ErrnoException) => {
        const isMemory = error.code === 'ERR_WORKER_OUT_OF_MEMORY';
        reject(isMemory ? refused(`${at} takes more memory than there is to be written as a page`) : error);
      });
      thread.on('exit', () => reject(new Error('the thread that writes pages has ended')));
    });
  } finally {
    clearTimeout(timer);
    if (onAbort) signal?.removeEventListener('abort', onAbort);
    await thread.terminate();
  }
}

const aborted = () => new FoveaError('aborted', 'nobody waits for the page any more');

const refused = (what: string) =>
  new FoveaError('bad-file', `${what}: shorten it, or split it into several cells`);

async function answer(thread: Worker, path: string, readAsset: ReadAsset): Promise<void> {
  const asset = await readAsset(path).catch(() => undefined);
  thread.postMessage({ asset } satisfies AssetAnswer);
}
