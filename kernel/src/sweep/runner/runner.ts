import { type ChildProcess, fork } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { FoveaError } from '@fovea/engine/errors';
import type { PointResult } from '../point.js';
import type { RunnerFacts, RunnerMessage, RunnerTask, StrategiesTask } from './protocol.js';

/** The program that computes points. */
const RUNNER_MODULE = fileURLToPath(new URL('./main.js', import.meta.url));

/** How long the last output of a runner that has ended is waited for. */
const lastWordsMs = 500;

/** How much of a runner's output is kept, to explain why it died. */
const KEPT_OUTPUT = 2000;

interface Running {
  readonly id: string;
  readonly onProgress: (fraction: number) => void;
  readonly resolve: (result: PointResult) => void;
  readonly reject: (error: Error) => void;
}

/** A forked process that computes one point at a time; one that has died is replaced with the next point. */
export class Runner {
  #child: ChildProcess | undefined;
  #facts: Promise<RunnerFacts> | undefined;
  #running: Running | undefined;

  constructor(private readonly module = RUNNER_MODULE) {}

  /** What the runner reports about its machine; starts it if necessary. */
  facts(): Promise<RunnerFacts> {
    this.#facts ??= this.#start();
    return this.#facts;
  }

  /**
   * Computes a point.
   * @throws FoveaError `aborted` when `signal` has ended it, which kills the runner; `io` when the runner died, with
   *   what it printed last; and what the point itself failed with, as an Error, of which `diskRefusal` tells whether it was
   *   the disk
   */
  async run(
    task: RunnerTask | StrategiesTask,
    { signal, onProgress }: { signal: AbortSignal; onProgress: (fraction: number) => void },
  ): Promise<PointResult> {
    await this.facts();
    const kill = () => void this.#child?.kill('SIGKILL');
    try {
      return await new Promise<PointResult>((resolve, reject) => {
        this.#running = { id: task.id, onProgress, resolve, reject };
        if (signal.aborted) return kill();
        signal.addEventListener('abort', kill, { once: true });
        // If the child has died, its exit reports that.
        this.#child?.send(task, () => undefined);
      });
    } catch (error) {
      if (signal.aborted) throw new FoveaError('aborted', `point ${task.id} was stopped`);
      throw error;
    } finally {
      this.#running = undefined;
      signal.removeEventListener('abort', kill);
    }
  }

  /**
   * Imports modules that register strategies.
   * @returns the names that are known in the runner then
   * @throws Error with what a module threw, FoveaError `io` when the runner died of it
   */
  async strategies(modules: readonly string[], signal: AbortSignal): Promise<readonly string[]> {
    const task = { id: 'strategies', importing: modules };
    const { strategies } = await this.run(task, { signal, onProgress: () => undefined });
    return strategies as readonly string[];
  }

  /** Ends the process; a point that it computes fails. */
  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  #start(): Promise<RunnerFacts> {
    return new Promise((resolve, reject) => {
      const child = fork(this.module, { stdio: ['ignore', 'ignore', 'pipe', 'ipc'] });
      this.#child = child;
      let printed = '';
      child.stderr!.on('data', (text: Buffer) => {
        printed = `${printed}${text}`.slice(-KEPT_OUTPUT);
      });
      child.on('message', (message: RunnerMessage) => {
        if (message.type === 'ready') resolve(message);
        else this.#receive(message);
      });
      child.on('error', (error) =>
        reject(new FoveaError('io', `no runner could be started: ${error.message}`)),
      );
      let isOver = false;
      const finish = (code: number | null, killedBy: NodeJS.Signals | null) => {
        if (isOver) return;
        isOver = true;
        child.stderr!.destroy();
        const last = printed
          .trim()
          .split('\n')
          .findLast((line) => /\S/.test(line) && !/^Node\.js v/.test(line));
        const how = `the runner ended (${killedBy ?? `exit code ${code}`})${last ? `: ${last.trim()}` : ''}`;
        const error = new FoveaError('io', how);
        if (this.#child === child) {
          this.#child = undefined;
          this.#facts = undefined;
          this.#running?.reject(error);
        }
        reject(error);
      };
      // At "close" its output has been read; what a point has started and left behind may hold it open for ever.
      child.on('close', finish);
      child.on('exit', (code, killedBy) => setTimeout(finish, lastWordsMs, code, killedBy).unref());
    });
  }

  #receive(message: Exclude<RunnerMessage, { type: 'ready' }>): void {
    const running = this.#running;
    if (running?.id !== message.id) return;
    if (message.type === 'progress') running.onProgress(message.fraction);
    else if (message.type === 'result') running.resolve(message.result);
    else running.reject(Object.assign(new Error(message.message), { code: message.disk }));
  }
}
