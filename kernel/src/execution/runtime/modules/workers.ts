import { syncBuiltinESMExports } from 'node:module';
import process from 'node:process';
import { fileURLToPath } from 'node:url';
import workerThreads, { type WorkerOptions } from 'node:worker_threads';
import { isCompiled } from '../../../typescript/module.js';

const hooks = new URL('./worker-hooks.js', import.meta.url).href;

let done = false;

/** Lets `new Worker` run TypeScript: the worker gets module hooks like those of this thread. */
export function compileInWorkers(): void {
  if (done) return;
  done = true;
  const { Worker } = workerThreads;
  class TypeScriptWorker extends Worker {
    constructor(filename: string | URL, options: WorkerOptions = {}) {
      super(filename, options.eval || !isTypeScript(filename) ? options : withHooks(options));
    }
  }
  Object.defineProperty(TypeScriptWorker, 'name', { value: Worker.name });
  workerThreads.Worker = TypeScriptWorker;
  syncBuiltinESMExports();
}

function isTypeScript(filename: unknown): boolean {
  const url = filename instanceof URL ? filename : undefined;
  if (url) return url.protocol === 'file:' && isCompiled(fileURLToPath(url));
  return typeof filename === 'string' && isCompiled(filename);
}

function withHooks(options: WorkerOptions): WorkerOptions {
  // A worker takes its own options only, of which the conditions of imports are the ones that count.
  const inherited = process.execArgv.filter(
    (argument, index, all) =>
      /^(?:--conditions|-C)/.test(argument) || /^(?:--conditions|-C)$/.test(all[index - 1] ?? ''),
  );
  return { ...options, execArgv: [...(options.execArgv ?? inherited), '--import', hooks] };
}
