import type { DebugProtocol } from '@vscode/debugprotocol';

/** What came from a front end, not checked yet. */
export type Fields = Readonly<Record<string, unknown>>;

/** What the adapter answers, by command: those of the Debug Adapter Protocol, and Jupyter's own. */
export interface Answers {
  initialize: DebugProtocol.Capabilities;
  attach: Nothing;
  launch: Nothing;
  configurationDone: Nothing;
  disconnect: Nothing;
  terminate: Nothing;
  setBreakpoints: DebugProtocol.SetBreakpointsResponse['body'];
  setExceptionBreakpoints: DebugProtocol.SetExceptionBreakpointsResponse['body'];
  source: DebugProtocol.SourceResponse['body'];
  modules: DebugProtocol.ModulesResponse['body'];
  threads: DebugProtocol.ThreadsResponse['body'];
  stackTrace: DebugProtocol.StackTraceResponse['body'];
  scopes: DebugProtocol.ScopesResponse['body'];
  variables: DebugProtocol.VariablesResponse['body'];
  evaluate: DebugProtocol.EvaluateResponse['body'];
  exceptionInfo: DebugProtocol.ExceptionInfoResponse['body'];
  continue: DebugProtocol.ContinueResponse['body'];
  next: Nothing;
  stepIn: Nothing;
  stepOut: Nothing;
  pause: Nothing;
  debugInfo: {
    readonly isStarted: boolean;
    readonly hashMethod: 'Murmur2';
    readonly hashSeed: number;
    readonly tmpFilePrefix: string;
    readonly tmpFileSuffix: string;
    readonly breakpoints: readonly {
      readonly source: string;
      readonly breakpoints: readonly DebugProtocol.SourceBreakpoint[];
    }[];
    readonly stoppedThreads: readonly number[];
    readonly richRendering: boolean;
    readonly exceptionPaths: readonly string[];
    readonly copyToGlobals: boolean;
  };
  dumpCell: { readonly sourcePath: string };
  inspectVariables: DebugProtocol.VariablesResponse['body'];
  /** A MIME bundle. */
  richInspectVariables: Fields;
  copyToGlobals: Nothing;
}

type Nothing = Readonly<Record<string, never>>;

/** What the adapter reports without being asked. */
export interface Reports {
  initialized: Nothing;
  process: DebugProtocol.ProcessEvent['body'];
  thread: DebugProtocol.ThreadEvent['body'];
  stopped: DebugProtocol.StoppedEvent['body'];
  continued: DebugProtocol.ContinuedEvent['body'];
}

/** The runtime has one thread that runs cells. */
export const threadId = 1;

export const capabilities: DebugProtocol.Capabilities = {
  supportsConfigurationDoneRequest: true,
  supportsConditionalBreakpoints: true,
  supportsEvaluateForHovers: true,
  supportsExceptionInfoRequest: true,
  supportsModulesRequest: true,
  supportsDelayedStackTraceLoading: true,
  exceptionBreakpointFilters: [
    { filter: 'raised', label: 'Raised exceptions', description: 'Every throw in cells and local files' },
    { filter: 'uncaught', label: 'Uncaught exceptions', description: 'Throws that no code of yours catches' },
  ],
};
