/** What of the Debug Adapter Protocol and of Jupyter's additions to it the adapter speaks. */
export type Fields = Readonly<Record<string, unknown>>;

export interface DebugRequest {
  readonly type: 'request';
  readonly seq: number;
  readonly command: string;
  readonly arguments?: Fields;
}

export interface DebugResponse {
  readonly type: 'response';
  readonly seq: number;
  readonly request_seq: number;
  readonly success: boolean;
  readonly command: string;
  readonly message?: string;
  readonly body?: Fields;
}

export interface DebugEvent {
  readonly type: 'event';
  readonly seq: number;
  readonly event: string;
  readonly body?: Fields;
}

/** A variable as a front end lists it. */
export interface DebugVariable {
  readonly name: string;
  readonly value: string;
  /** Left out for front ends that would show it in the value's place. */
  readonly type?: string;
  /** Above 0 when it has parts, which can be requested by this number until the program continues. */
  readonly variablesReference: number;
  readonly evaluateName?: string;
  readonly namedVariables?: number;
  readonly indexedVariables?: number;
}

/** The runtime has one thread that runs cells. */
export const threadId = 1;

export const capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsConditionalBreakpoints: true,
  supportsEvaluateForHovers: true,
  supportsExceptionInfoRequest: true,
  supportsModulesRequest: true,
  supportsDelayedStackTraceLoading: true,
  supportsPauseRequest: true,
  exceptionBreakpointFilters: [
    { filter: 'raised', label: 'Raised exceptions', description: 'Every throw in cells and local files' },
    { filter: 'uncaught', label: 'Uncaught exceptions', description: 'Throws that no code of yours catches' },
  ],
} as const;

/** Zero-based place in a text. */
export interface Position {
  readonly line: number;
  readonly column: number;
}

/** What the adapter needs of the process that runs cells. */
export interface DebugLink {
  /**
   * Calls a method of the Chrome DevTools Protocol on the thread that runs cells, also while it is paused.
   * @throws Error with the inspector's message, or when the runtime ends
   */
  inspector(method: string, params?: object): Promise<unknown>;
  onInspectorEvent(listener: (method: string, params: unknown) => void): () => void;
  /** Called when the runtime has died and a new one, without breakpoints, has started. */
  onRestart(listener: () => void): () => void;
  /** Places in a cell's source and in the script that it became, where those differ. */
  toScript(file: string, position: Position): Position;
  toSource(file: string, position: Position): Position;
}
