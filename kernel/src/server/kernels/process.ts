import { type ChildProcess, spawn } from 'node:child_process';
import { delimiter, dirname } from 'node:path';
import type { KernelSpec } from '../kernelspecs.js';

const TAIL_CHARACTERS = 4000;

/** One operating-system process of a kernel, with all processes that it starts. */
export class KernelProcess {
  /** Resolves once the process has ended, with a description of how. */
  readonly exited: Promise<string>;
  private readonly child: ChildProcess;
  private tail = '';
  private ended = false;

  /**
   * Starts a kernel.
   * @param folder working folder: the notebook's
   * @param extra environment variables on top of the server's own and the spec's
   */
  constructor(spec: KernelSpec, connectionFile: string, folder: string, extra: Record<string, string>) {
    const argv = spec.argv.map((argument) => argument.replaceAll('{connection_file}', connectionFile));
    const env: NodeJS.ProcessEnv = { ...process.env, ...spec.env, ...extra };
    env.JPY_PARENT_PID = String(process.pid);
    delete env.JUPYTER_TOKEN;
    env.PATH = [env.PATH, dirname(process.execPath)].filter(Boolean).join(delimiter);
    this.child = spawn(argv[0]!, argv.slice(1), {
      cwd: folder,
      env,
      stdio: ['ignore', 'pipe', 'pipe'],
      // A separate process group: Ctrl-C in the terminal is for the server, and a kill includes the children.
      detached: process.platform !== 'win32',
      windowsHide: true,
    });
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream?.setEncoding('utf8').on('data', (text: string) => {
        this.tail = (this.tail + text).slice(-TAIL_CHARACTERS);
      });
    }
    this.exited = new Promise((resolve) => {
      this.child.once('error', (error) => {
        this.ended = true;
        resolve(`could not be started: ${error.message}`);
      });
      this.child.once('exit', (code, signal) => {
        this.ended = true;
        resolve(signal ? `was ended by ${signal}` : `exited with code ${code}`);
      });
    });
  }

  /** The last lines that the process wrote to its terminal. */
  get lastOutput(): string {
    return this.tail.trim();
  }

  get pid(): number | undefined {
    return this.child.pid;
  }

  /** Sends a signal to the process and its children. */
  signal(name: NodeJS.Signals): void {
    if (this.ended || this.child.pid === undefined) return;
    try {
      if (process.platform === 'win32') this.child.kill(name);
      else process.kill(-this.child.pid, name);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error;
    }
  }

  /** Waits for the process to end, kills it after `graceMs`, and resolves when it has ended. */
  async end(graceMs: number): Promise<void> {
    let timer: NodeJS.Timeout | undefined;
    const expired = new Promise<'expired'>((resolve) => {
      timer = setTimeout(() => resolve('expired'), graceMs);
    });
    const outcome = await Promise.race([this.exited, expired]);
    clearTimeout(timer);
    if (outcome === 'expired') this.signal('SIGKILL');
    await this.exited;
    this.sweep();
  }

  /** Kills children that outlived the process; their group still carries its number. */
  sweep(): void {
    if (process.platform === 'win32' || this.child.pid === undefined) return;
    try {
      process.kill(-this.child.pid, 'SIGKILL');
    } catch {
      // Nothing of the group is left, which is how it should be.
    }
  }
}
