import type { Debugger, Runtime } from 'node:inspector';
import type { DebugProtocol } from '@vscode/debugprotocol';
import type { RuntimeLink } from '../execution/runtime-link.js';
import { isCaughtAt } from './catching.js';
import { baseName, type Scripts } from './scripts.js';
import { valueText } from './values.js';
import type { Variables } from './variables.js';

/** A frame that users can see. */
interface Frame {
  readonly id: number;
  readonly call: Debugger.CallFrame;
  readonly file: string;
}

let nextFrameId = 1;

/** The paused program: its frames, and what can be seen from them. */
export class Pause {
  readonly frames: readonly Frame[];
  readonly reason: string;
  /** What was thrown, if that is why the program stopped. */
  readonly exception: Runtime.RemoteObject | undefined;

  constructor(
    private readonly link: RuntimeLink,
    private readonly scripts: Scripts,
    readonly paused: Debugger.PausedEventDataType,
    wasStepping: boolean,
  ) {
    this.frames = paused.callFrames.flatMap((call): Frame[] => {
      const file = scripts.fileOf(call.location.scriptId, call.url);
      return file === undefined ? [] : [{ id: nextFrameId++, call, file }];
    });
    const thrown = paused.reason === 'exception' || paused.reason === 'promiseRejection';
    this.exception = thrown ? (paused.data as Runtime.RemoteObject | undefined) : undefined;
    this.reason = thrown
      ? 'exception'
      : (paused.hitBreakpoints?.length ?? 0) > 0
        ? 'breakpoint'
        : wasStepping
          ? 'step'
          : 'pause';
  }

  frame(id: unknown): Debugger.CallFrame | undefined {
    return this.frames.find((frame) => frame.id === id)?.call;
  }

  /** Frames from the innermost, as `stackTrace` answers them. */
  stackFrames(): DebugProtocol.StackFrame[] {
    return this.frames.map(({ id, call, file }) => {
      const { line, column } = this.link.toSource(file, {
        line: call.location.lineNumber,
        column: call.location.columnNumber ?? 0,
      });
      return {
        id,
        name: call.functionName === '' ? '<cell>' : call.functionName,
        source: { name: baseName(file), path: file },
        line: line + 1,
        column: Math.max(0, column) + 1,
      };
    });
  }

  /** The scopes of a frame: what is nested in one function is shown as one, and the cells' variables last. */
  scopes(call: Debugger.CallFrame, variables: Variables): DebugProtocol.Scope[] {
    const local: Runtime.RemoteObject[] = [];
    const closure: Runtime.RemoteObject[] = [];
    let inFunction = true;
    for (const { type, object } of call.scopeChain) {
      if (type === 'global' || type === 'script') continue;
      if (inFunction && type !== 'closure' && type !== 'module') local.push(object);
      else closure.push(object);
      if (type === 'local') inFunction = false;
    }
    const extra: [string, Runtime.RemoteObject][] = [];
    if (call.this.type === 'object' && call.this.className !== 'global' && local.length > 0) {
      extra.push(['this', call.this]);
    }
    if (call.returnValue !== undefined && call.returnValue.type !== 'undefined') {
      extra.push(['(returned)', call.returnValue]);
    }
    const scope = (name: string, hint: string, variablesReference: number) => ({
      name,
      presentationHint: hint,
      variablesReference,
      expensive: false,
    });
    return [
      ...(local.length + extra.length > 0 ? [scope('Locals', 'locals', variables.scopes(local, extra))] : []),
      ...(closure.length > 0 ? [scope('Closure', 'locals', variables.scopes(closure))] : []),
      scope('Globals', 'globals', variables.globals()),
    ];
  }

  /** Whether one of the frames catches what was thrown. */
  async isCaught(): Promise<boolean> {
    for (const { call } of this.frames) {
      const { scriptId } = call.location;
      const { scriptSource } = (await this.link.inspector('Debugger.getScriptSource', { scriptId })) as {
        scriptSource: string;
      };
      if (isCaughtAt(scriptSource, this.scripts.placeIn(call.location))) return true;
    }
    return false;
  }

  /** What was thrown, on one line. */
  get exceptionText(): string {
    return this.exception === undefined ? '' : valueText(this.exception);
  }
}
