import { rmSync } from 'node:fs';
import type { Debugger } from 'node:inspector';
import { dirname } from 'node:path';
import { FoveaError } from '@fovea/engine/errors';
import type { DebugProtocol } from '@vscode/debugprotocol';
import { cellFilePrefix, cellFileSuffix, HASH_SEED } from '../execution/cells/cell-file.js';
import type { RuntimeLink } from '../execution/runtime-link.js';
import { Breakpoints } from './breakpoints.js';
import { Expressions } from './expressions.js';
import { Mapping } from './mapping.js';
import { Pause } from './pause.js';
import { type Answers, capabilities, type Fields, type Reports, threadId } from './protocol.js';
import { baseName, hiddenScripts, Scripts } from './scripts.js';
import { typeText, valueText } from './values.js';
import { Variables } from './variables.js';

/**
 * Answers Jupyter's debug requests by driving Node's inspector. One session at a time; breakpoints outlive it,
 * and a new runtime.
 */
export class DebugAdapter {
  readonly #link: RuntimeLink;
  readonly #sendEvent: (event: Fields) => void;
  readonly #scripts = new Scripts();
  readonly #mapping: Mapping;
  readonly #breakpoints: Breakpoints;
  readonly #variables: Variables;
  readonly #expressions: Expressions;
  readonly #stopListening: readonly (() => void)[];
  #enabled: Promise<unknown> | undefined;
  #attached = false;
  #pause: Pause | undefined;
  /** A stop of which it is still to be found out whether it is meant. */
  #stopped: Pause | undefined;
  #stepping = false;
  #filters: ReadonlySet<string> = new Set();
  #seq = 1;

  constructor({
    link,
    sendEvent,
  }: { readonly link: RuntimeLink; readonly sendEvent: (event: never) => void }) {
    this.#link = link;
    this.#sendEvent = sendEvent as (event: Fields) => void;
    this.#mapping = new Mapping(link);
    this.#breakpoints = new Breakpoints(link, this.#mapping);
    this.#variables = new Variables(link);
    this.#expressions = new Expressions(link, this.#variables.group);
    this.#stopListening = [
      link.onInspectorEvent((method, params) => this.#heard(method, params)),
      link.onRestart(() => this.#restarted()),
    ];
  }

  /** Answers a request. Never throws: what fails is answered with `success: false` and a message. */
  async handle(message: Fields): Promise<Fields> {
    const { seq, command, arguments: given } = message as unknown as DebugProtocol.Request;
    const response = (
      rest: Pick<DebugProtocol.Response, 'success' | 'message' | 'body'>,
    ): DebugProtocol.Response => ({
      type: 'response',
      seq: this.#seq++,
      request_seq: seq,
      command,
      ...rest,
    });
    try {
      if (!Object.hasOwn(this.#commands, command))
        throw new FoveaError('unsupported', `the debugger has no command "${String(command)}"`);
      const body = await this.#commands[command as keyof Answers]((given as Fields | undefined) ?? {});
      return { ...response({ success: true, body }) };
    } catch (error) {
      return { ...response({ success: false, message: (error as Error).message, body: {} }) };
    }
  }

  /** Resumes a paused program so that it can be interrupted; does nothing otherwise. */
  async interrupt(): Promise<void> {
    if (this.#pause === undefined && this.#stopped === undefined) return;
    this.#stepping = false;
    // It may have gone on in the meantime.
    await this.#link.inspector('Debugger.resume', { terminateOnResume: true }).catch(() => undefined);
  }

  /** Ends the session and removes the files that it wrote. */
  dispose(): void {
    for (const stop of this.#stopListening) stop();
    rmSync(dirname(cellFilePrefix), { recursive: true, force: true });
  }

  readonly #commands: {
    readonly [Command in keyof Answers]: (parameters: Fields) => Answers[Command] | Promise<Answers[Command]>;
  } = {
    initialize: ({ clientID }) => {
      this.#variables.typed = clientID !== 'jupyterlab';
      return capabilities;
    },
    debugInfo: () => ({
      isStarted: this.#attached,
      hashMethod: 'Murmur2',
      hashSeed: HASH_SEED,
      tmpFilePrefix: cellFilePrefix,
      tmpFileSuffix: cellFileSuffix,
      breakpoints: this.#breakpoints.list(),
      stoppedThreads: this.#pause === undefined ? [] : [threadId],
      richRendering: true,
      exceptionPaths: ['TypeScript'],
      copyToGlobals: true,
    }),
    attach: () => this.#attach(),
    launch: () => this.#attach(),
    configurationDone: () => ({}),
    disconnect: () => this.#detach(),
    terminate: () => this.#detach(),
    dumpCell: async ({ code }) => {
      const text = String(code ?? '');
      const sourcePath = this.#scripts.dumpCell(text);
      await this.#mapping.add(sourcePath, text);
      return { sourcePath };
    },
    setBreakpoints: async ({ source, breakpoints }) => {
      const path = (source as Fields | undefined)?.path;
      if (typeof path !== 'string') throw new FoveaError('bad-argument', 'setBreakpoints needs source.path');
      await this.#enable();
      return { breakpoints: await this.#breakpoints.set(path, (breakpoints as Fields[] | undefined) ?? []) };
    },
    setExceptionBreakpoints: async ({ filters }) => {
      this.#filters = new Set((filters as string[] | undefined) ?? []);
      await this.#enable();
      await this.#watchExceptions();
      return { breakpoints: [...this.#filters].map(() => ({ verified: true })) };
    },
    source: ({ source, sourceReference }) => {
      const path = (source as Fields | undefined)?.path ?? sourceReference;
      return { content: this.#scripts.source(String(path)), mimeType: 'text/x.typescript' };
    },
    modules: ({ startModule, moduleCount }) => {
      const files = this.#scripts.files();
      const start = Number(startModule) || 0;
      const count = Number(moduleCount) || files.length;
      return {
        modules: files.slice(start, start + count).map((path) => ({ id: path, name: baseName(path), path })),
        totalModules: files.length,
      };
    },
    threads: () => ({ threads: [{ id: threadId, name: 'cells' }] }),
    stackTrace: ({ startFrame, levels }) => {
      const frames = this.#pause?.stackFrames() ?? [];
      const start = Number(startFrame) || 0;
      const count = Number(levels) || frames.length;
      return { stackFrames: frames.slice(start, start + count), totalFrames: frames.length };
    },
    scopes: ({ frameId }) => {
      const { pause, call } = this.#frame(frameId);
      return { scopes: pause.scopes(call, this.#variables) };
    },
    variables: async ({ variablesReference, start, count }) => ({
      variables: await this.#variables.list(
        Number(variablesReference),
        Number(start) || 0,
        Number(count) || undefined,
      ),
    }),
    evaluate: async ({ expression, frameId, context }) => {
      const object = await this.#expressions.evaluate(
        String(expression),
        this.#callFrame(frameId),
        context === 'hover',
      );
      const { variablesReference } = this.#variables.variable('', object);
      return { result: valueText(object), type: typeText(object), variablesReference };
    },
    exceptionInfo: () => {
      const pause = this.#pause;
      if (pause?.exception === undefined) throw new FoveaError('bad-argument', 'no exception was thrown');
      const { className = 'Error', description } = pause.exception;
      return {
        exceptionId: className,
        description: pause.exceptionText,
        breakMode: this.#filters.has('raised') ? 'always' : 'unhandled',
        details: {
          message: pause.exceptionText,
          typeName: className,
          ...(description === undefined ? {} : { stackTrace: description }),
        },
      };
    },
    inspectVariables: async () => ({ variables: await this.#variables.globalVariables() }),
    richInspectVariables: ({ variableName, frameId }) =>
      this.#expressions.richView(String(variableName), this.#callFrame(frameId)),
    copyToGlobals: async ({ srcVariableName, dstVariableName, srcFrameId }) => {
      const frame = this.#callFrame(srcFrameId);
      await this.#expressions.copyToGlobals(String(srcVariableName), String(dstVariableName), frame);
      return {};
    },
    continue: async () => {
      await this.#resume('Debugger.resume');
      return { allThreadsContinued: true };
    },
    next: () => this.#step('Debugger.stepOver'),
    stepIn: () => this.#step('Debugger.stepInto'),
    stepOut: () => this.#step('Debugger.stepOut'),
    pause: async () => {
      await this.#enable();
      await this.#link.inspector('Debugger.pause');
      return {};
    },
  };

  async #attach(): Promise<Answers['attach']> {
    await this.#enable();
    await this.#breakpoints.lift();
    await this.#breakpoints.restore();
    this.#attached = true;
    this.#emit('initialized', {});
    this.#emit('process', { name: 'fovea', startMethod: 'attach', isLocalProcess: true });
    this.#emit('thread', { reason: 'started', threadId });
    return {};
  }

  async #detach(): Promise<Answers['disconnect']> {
    this.#attached = false;
    this.#filters = new Set();
    if (this.#enabled !== undefined) {
      await this.#breakpoints.lift();
      if (this.#pause !== undefined) await this.#resume('Debugger.resume').catch(() => undefined);
      // The event that reports it may arrive too late.
      this.#resumed();
      this.#enabled = undefined;
      // Without a debugger cells run at full speed.
      await this.#link.inspector('Debugger.disable');
    }
    this.#scripts.clear();
    return {};
  }

  #enable(): Promise<unknown> {
    if (this.#enabled) return this.#enabled;
    const enabled = Promise.all([
      this.#link.inspector('Debugger.enable', { maxScriptsCacheSize: 1e7 }),
      this.#link.inspector('Runtime.enable'),
      this.#link.inspector('Debugger.setBlackboxPatterns', { patterns: hiddenScripts() }),
      this.#link.inspector('Debugger.setAsyncCallStackDepth', { maxDepth: 8 }),
    ]);
    this.#enabled = enabled;
    enabled.catch(() => {
      // Unless it was that of a runtime before.
      if (this.#enabled === enabled) this.#enabled = undefined;
    });
    return enabled;
  }

  /** Every throw stops the program for a moment when only uncaught ones are wanted: see `#paused`. */
  async #watchExceptions(): Promise<void> {
    const state = this.#filters.size > 0 ? 'all' : 'none';
    await this.#link.inspector('Debugger.setPauseOnExceptions', { state });
  }

  #heard(method: string, params: unknown): void {
    switch (method) {
      case 'Debugger.scriptParsed':
        this.#scripts.parsed(params as Debugger.ScriptParsedEventDataType);
        break;
      case 'Debugger.breakpointResolved': {
        const { breakpointId, location } = params as { breakpointId: string; location: Debugger.Location };
        this.#breakpoints.resolved(breakpointId, location);
        break;
      }
      case 'Debugger.paused':
        void this.#paused(params as Debugger.PausedEventDataType).catch(() =>
          this.#link.inspector('Debugger.resume').catch(() => undefined),
        );
        break;
      case 'Debugger.resumed':
        this.#resumed();
        break;
    }
  }

  async #paused(paused: Debugger.PausedEventDataType): Promise<void> {
    const pause = new Pause(this.#link, this.#scripts, paused, this.#stepping);
    this.#stopped = pause;
    const isMeant = await this.#isMeant(pause);
    // The program has gone on, the session has ended, or the runtime has died.
    if (this.#stopped !== pause) return;
    this.#stopped = undefined;
    if (!isMeant) {
      // A pending step continues to its target.
      await this.#link.inspector(this.#stepping ? 'Debugger.stepOut' : 'Debugger.resume');
      return;
    }
    this.#stepping = false;
    this.#pause = pause;
    const { reason, exceptionText } = pause;
    this.#emit('stopped', {
      reason,
      threadId,
      allThreadsStopped: true,
      ...(exceptionText === '' ? {} : { description: 'Paused on exception', text: exceptionText }),
    });
  }

  /** Whether the program should stop here. */
  async #isMeant(pause: Pause): Promise<boolean> {
    const { paused, frames } = pause;
    if (!this.#attached || frames.length === 0) return false;
    if (pause.exception !== undefined) {
      // Only the innermost place counts: what Node throws internally does not concern the user.
      const innermost = frames[0]!.call.callFrameId === paused.callFrames[0]?.callFrameId;
      if (this.#filters.has('raised')) return innermost;
      return innermost && !(await pause.isCaught());
    }
    return this.#breakpoints.isMeant(paused.hitBreakpoints ?? [], paused.callFrames[0]!.location);
  }

  #resumed(): void {
    this.#stopped = undefined;
    if (this.#pause === undefined) return;
    this.#pause = undefined;
    this.#variables.forget();
    this.#emit('continued', { threadId, allThreadsContinued: true });
  }

  async #step(method: string): Promise<Answers['next']> {
    await this.#resume(method, true);
    return {};
  }

  async #resume(method: string, stepping = false): Promise<void> {
    if (this.#pause === undefined) throw new FoveaError('bad-argument', 'the program is running');
    this.#stepping = stepping;
    await this.#link.inspector(method);
  }

  #frame(frameId: unknown): { pause: Pause; call: NonNullable<ReturnType<Pause['frame']>> } {
    const call = this.#pause?.frame(frameId);
    if (this.#pause === undefined || call === undefined) {
      throw new FoveaError(
        'unknown-name',
        `frame ${String(frameId)} is no longer there: the program has gone on`,
      );
    }
    return { pause: this.#pause, call };
  }

  /** The engine's name for a frame; none while the program runs, or when no frame is given. */
  #callFrame(frameId: unknown): string | undefined {
    const inFrame = frameId !== undefined && frameId !== null && this.#pause !== undefined;
    return inFrame ? this.#frame(frameId).call.callFrameId : undefined;
  }

  /**
   * A new runtime has no breakpoints yet and is not paused. All requests are sent at once, so that they arrive
   * before the next cell.
   */
  #restarted(): void {
    this.#scripts.clear();
    this.#resumed();
    if (this.#enabled === undefined) return;
    this.#enabled = undefined;
    const requests = [
      this.#enable(),
      this.#watchExceptions(),
      ...(this.#attached ? [this.#breakpoints.restore()] : []),
    ];
    for (const request of requests) request.catch(() => undefined);
  }

  #emit<Name extends keyof Reports>(event: Name, body: Reports[Name]): void {
    const message: DebugProtocol.Event = { type: 'event', seq: this.#seq++, event, body };
    this.#sendEvent({ ...message });
  }
}
