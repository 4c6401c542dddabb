#!/usr/bin/env node
/**
 * Runs notebooks from a clean state through the built Fovea kernel.
 *
 * node scripts/run-notebooks.mjs [--write] [NOTEBOOK…]
 *   --write  put the outputs into the files; without it they are only checked to run without an error
 *   NOTEBOOK defaults to every .ipynb in notebooks/
 */
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const library = (file) => import(pathToFileURL(path.join(root, 'kernel/lib/server', file)).href);

/** What a cell's messages add up to, in the form that notebooks store. */
class Outputs {
  list = [];
  #clearNext = false;
  #displays = new Map();

  take(type, content) {
    if (type === 'clear_output') {
      if (content.wait) this.#clearNext = true;
      else this.list.length = 0;
      return;
    }
    if (type === 'update_display_data') {
      for (const output of this.#displays.get(content.transient?.display_id) ?? []) {
        output.data = content.data;
        output.metadata = content.metadata;
      }
      return;
    }
    const output = this.#outputOf(type, content);
    if (!output) return;
    if (this.#clearNext) this.list.length = 0;
    this.#clearNext = false;
    const last = this.list.at(-1);
    if (type === 'stream' && last?.output_type === 'stream' && last.name === content.name) {
      last.text += content.text;
    } else this.list.push(output);
    const id = content.transient?.display_id;
    if (id) this.#displays.set(id, [...(this.#displays.get(id) ?? []), output]);
  }

  #outputOf(type, content) {
    const { data, metadata, execution_count: count, name, text, ename, evalue, traceback } = content;
    if (type === 'stream') return { output_type: type, name, text };
    if (type === 'display_data') return { output_type: type, data, metadata };
    if (type === 'execute_result') return { output_type: type, data, metadata, execution_count: count };
    if (type === 'error') return { output_type: type, ename, evalue, traceback };
    return undefined;
  }
}

/**
 * Runs a notebook's code cells in order, in a fresh kernel.
 * @param notebook parsed nbformat 4 document; left as it is
 * @param options `folder`: where the kernel works; `cellTimeoutMs`: 150 s a cell unless given
 * @returns the notebook with its outputs, and the error of the first cell that failed
 */
export async function runNotebook(
  notebook,
  { folder = path.join(root, 'notebooks'), cellTimeoutMs = 150_000 } = {},
) {
  const [{ Kernel }, { MessageFactory, parseHeader }, { KernelSpecs, FOVEA_KERNEL }] = await Promise.all([
    library('kernels/kernel.js'),
    library('kernels/message.js'),
    library('kernelspecs.js'),
  ]);
  const runtimeFolder = mkdtempSync(path.join(tmpdir(), 'fovea-notebook-'));
  const spec = (await new KernelSpecs(() => []).all()).get(FOVEA_KERNEL);
  const kernel = new Kernel(spec, { folder, root: folder, runtimeFolder });
  const factory = new MessageFactory();
  let listen = () => {};
  kernel.clients.add({ session: '', deliver: (message) => listen(message), close: () => {} });

  const execute = (code) =>
    new Promise((resolve, reject) => {
      const request = factory.create('shell', 'execute_request', {
        code,
        silent: false,
        store_history: true,
        user_expressions: {},
        allow_stdin: false,
        stop_on_error: true,
      });
      const id = parseHeader(request.header).msg_id;
      const outputs = new Outputs();
      let reply;
      let idle = false;
      const timer = setTimeout(
        () => reject(new Error(`a cell took longer than ${cellTimeoutMs} ms`)),
        cellTimeoutMs,
      );
      listen = (message) => {
        const { msg_type: type } = parseHeader(message.header);
        if (parseHeader(message.parent).msg_id !== id) {
          const gone = type === 'status' && /"(dead|restarting)"/.test(message.content.toString());
          if (gone) reject(new Error('the kernel died'));
          return;
        }
        const content = JSON.parse(message.content.toString('utf8'));
        if (message.channel === 'shell') reply = content;
        else if (type === 'status') idle = content.execution_state === 'idle';
        else outputs.take(type, content);
        if (reply && idle) {
          clearTimeout(timer);
          resolve({ outputs: outputs.list, count: reply.execution_count });
        }
      };
      kernel.send(request);
    });

  const done = structuredClone(notebook);
  let failure;
  try {
    await kernel.start();
    await kernel.whenReady();
    for (const cell of done.cells) {
      if (cell.cell_type !== 'code') continue;
      cell.outputs = [];
      cell.execution_count = null;
      if (failure) continue;
      const source = Array.isArray(cell.source) ? cell.source.join('') : cell.source;
      if (source.trim() === '') continue;
      const { outputs, count } = await execute(source);
      cell.outputs = outputs;
      cell.execution_count = count;
      const error = outputs.find((output) => output.output_type === 'error');
      const expected = cell.metadata?.tags?.includes('raises-exception');
      if (error && !expected)
        failure = { source, message: [`${error.ename}: ${error.evalue}`, ...error.traceback].join('\n') };
    }
  } finally {
    await kernel.shutdown();
    rmSync(runtimeFolder, { recursive: true, force: true });
  }
  return { notebook: done, failure };
}

/** Large pictures with a palette of their own: half the size, and a notebook is read on the web as well. */
async function shrinkPictures(notebook) {
  const { default: sharp } = await import('sharp');
  for (const { data } of notebook.cells.flatMap((cell) => cell.outputs ?? [])) {
    const png = data?.['image/png'];
    if (typeof png !== 'string' || png.length < 100_000) continue;
    const smaller = await sharp(Buffer.from(png, 'base64')).png({ palette: true, effort: 10 }).toBuffer();
    data['image/png'] = smaller.toString('base64');
  }
}

async function main(argv) {
  const write = argv.includes('--write');
  const named = argv.filter((argument) => !argument.startsWith('--'));
  const folder = path.join(root, 'notebooks');
  const files = named.length
    ? named
    : readdirSync(folder)
        .filter((name) => name.endsWith('.ipynb'))
        .sort()
        .map((name) => path.join(folder, name));
  let failed = 0;
  for (const file of files) {
    const begin = performance.now();
    const { notebook, failure } = await runNotebook(JSON.parse(readFileSync(file, 'utf8')));
    const seconds = ((performance.now() - begin) / 1000).toFixed(1);
    process.stdout.write(`${path.basename(file)}: ${failure ? 'failed' : 'ran'} in ${seconds} s\n`);
    if (failure) {
      failed++;
      process.stderr.write(`${failure.source}\n\n${failure.message}\n`);
    } else if (write) {
      const { languageInfo } = await library('../execution/host/language-info.js');
      notebook.metadata.language_info = languageInfo;
      await shrinkPictures(notebook);
      writeFileSync(file, `${JSON.stringify(notebook, null, 1)}\n`);
    }
  }
  process.exitCode = failed > 0 ? 1 : 0;
}

if (process.argv[1] && path.resolve(process.argv[1]) === fileURLToPath(import.meta.url)) {
  await main(process.argv.slice(2));
}
