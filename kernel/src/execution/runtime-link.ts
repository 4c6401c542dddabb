import type { Position } from '../typescript/edits.js';

/** What the debugger and the language service may use of the process that runs cells. */
export interface RuntimeLink {
  /**
   * Calls a method of Node's inspector (Chrome DevTools Protocol) on the main thread of the runtime. Works
   * while the thread spins and while it is paused.
   *
   * @throws Error with the inspector's message, or when the runtime ends first
   */
  inspector(method: string, params?: object): Promise<unknown>;
  /** Inspector events; the returned function stops listening. */
  onInspectorEvent(listener: (method: string, params: unknown) => void): () => void;
  /** Called when the runtime died and a new one, without variables and breakpoints, has started. */
  onRestart(listener: () => void): () => void;
  /** Lines of a cell as the engine runs it may differ from the user's where TypeScript had to be compiled. */
  toScript(file: string, position: Position): Position;
  toSource(file: string, position: Position): Position;
}
