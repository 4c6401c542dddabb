import type { Debugger } from 'node:inspector';
import { pathToFileURL } from 'node:url';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RuntimeLink } from '../execution/runtime-link.js';
import { OneByOne } from '../one-by-one.js';
import type { Mapping } from './mapping.js';
import type { Fields } from './protocol.js';
import { escapePattern } from './scripts.js';

interface Breakpoint {
  readonly id: number;
  /** Line in the source, from 1. */
  readonly line: number;
  readonly condition?: string;
  /** The engine's own name for it, while it is set. */
  engineId?: string;
  /** Line in the script, from 0. */
  wanted: number;
  readonly locations: Debugger.Location[];
}

/** Breakpoints by file, as front ends set them: all those of a file at once. */
export class Breakpoints {
  readonly #byFile = new Map<string, Breakpoint[]>();
  #nextId = 1;
  /** Of two changes at once, the later one would meet what the earlier one is about to set. */
  readonly #changes = new OneByOne();

  constructor(
    private readonly link: RuntimeLink,
    private readonly mapping: Mapping,
  ) {}

  /** Breakpoints as `debugInfo` lists them. */
  list(): { readonly source: string; readonly breakpoints: readonly DebugProtocol.SourceBreakpoint[] }[] {
    return [...this.#byFile].map(([source, breakpoints]) => ({
      source,
      breakpoints: breakpoints.map(({ line, condition }) => ({ line, ...(condition ? { condition } : {}) })),
    }));
  }

  /** Replaces the breakpoints of a file. They wait for scripts that are not loaded yet. */
  set(file: string, wanted: readonly Fields[]): Promise<DebugProtocol.Breakpoint[]> {
    return this.#changes.do(() => this.#set(file, wanted));
  }

  /** Sets all breakpoints again, in a new runtime. */
  restore(): Promise<void> {
    return this.#changes.do(() => this.#restore());
  }

  /** Takes all breakpoints out of the runtime, keeping them for the next session. */
  lift(): Promise<void> {
    return this.#changes.do(() => this.#lift());
  }

  async #set(file: string, wanted: readonly Fields[]): Promise<DebugProtocol.Breakpoint[]> {
    for (const { engineId } of this.#byFile.get(file) ?? []) {
      if (engineId !== undefined) {
        await this.link.inspector('Debugger.removeBreakpoint', { breakpointId: engineId });
      }
    }
    const breakpoints = wanted.map(({ line, condition }): Breakpoint => {
      const number = Math.max(1, Math.trunc(Number(line)) || 1);
      const text = typeof condition === 'string' && condition.trim() !== '' ? { condition } : {};
      return { id: this.#nextId++, line: number, ...text, wanted: 0, locations: [] };
    });
    if (breakpoints.length === 0) this.#byFile.delete(file);
    else this.#byFile.set(file, breakpoints);
    const answers: DebugProtocol.Breakpoint[] = [];
    for (const breakpoint of breakpoints) {
      const failure = await this.#place(file, breakpoint).then(
        () => undefined,
        (error: Error) => error.message,
      );
      answers.push({
        id: breakpoint.id,
        verified: failure === undefined,
        line: breakpoint.line,
        source: { path: file },
        ...(failure === undefined ? {} : { message: failure }),
      });
    }
    return answers;
  }

  async #restore(): Promise<void> {
    const placed = [...this.#byFile].flatMap(([file, breakpoints]) =>
      breakpoints.map((breakpoint) => {
        breakpoint.locations.length = 0;
        return this.#place(file, breakpoint).catch(() => undefined);
      }),
    );
    await Promise.all(placed);
  }

  async #lift(): Promise<void> {
    for (const breakpoint of [...this.#byFile.values()].flat()) {
      const { engineId } = breakpoint;
      delete breakpoint.engineId;
      breakpoint.locations.length = 0;
      if (engineId !== undefined) {
        await this.link
          .inspector('Debugger.removeBreakpoint', { breakpointId: engineId })
          .catch(() => undefined);
      }
    }
  }

  /** `Debugger.breakpointResolved`: a script was loaded that a breakpoint had waited for. */
  resolved(engineId: string, location: Debugger.Location): void {
    for (const breakpoint of [...this.#byFile.values()].flat()) {
      if (breakpoint.engineId === engineId) breakpoint.locations.push(location);
    }
  }

  /**
   * Whether to stop at a hit. A cell may become two scripts, one of its functions alone; in the one that does not
   * hold the line, the engine moves the breakpoint on to the next code there is.
   */
  isMeant(engineIds: readonly string[], at: Debugger.Location): boolean {
    const hit = [...this.#byFile.values()]
      .flat()
      .filter(({ engineId }) => engineIds.includes(engineId ?? ''));
    if (hit.length === 0) return true;
    return hit.some(({ wanted, locations }) => {
      const nearest = Math.min(...locations.map(({ lineNumber }) => Math.abs(lineNumber - wanted)));
      return locations.length === 0 || Math.abs(at.lineNumber - wanted) <= nearest;
    });
  }

  async #place(file: string, breakpoint: Breakpoint): Promise<void> {
    const { line } = this.mapping.toScript(file, { line: breakpoint.line - 1, column: 0 });
    breakpoint.wanted = line;
    const urls = [file, pathToFileURL(file).href].map(escapePattern);
    const { breakpointId, locations } = (await this.link.inspector('Debugger.setBreakpointByUrl', {
      urlRegex: `^(?:${urls.join('|')})(?:\\?.*)?$`,
      lineNumber: line,
      ...(breakpoint.condition === undefined ? {} : { condition: breakpoint.condition }),
    })) as { breakpointId: string; locations: Debugger.Location[] };
    breakpoint.engineId = breakpointId;
    breakpoint.locations.push(...locations);
  }
}
