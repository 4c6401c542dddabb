import type { Runtime } from 'node:inspector';
import { FoveaError } from '@fovea/engine/errors';
import type { RuntimeLink } from '../execution/runtime-link.js';
import { FORMAT_VALUE } from './format-hook.js';
import type { Fields } from './protocol.js';
import { valueText } from './values.js';

const names = /^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u;

/** Evaluates an expression of the front end: globally, or in a frame of the paused program. */
export class Expressions {
  /** @param group the inspector's group of what is looked at, which is released as a whole */
  constructor(
    private readonly link: RuntimeLink,
    private readonly group: string,
  ) {}

  /**
   * @param frame the engine's name of a call frame
   * @throws Error with what the expression threw
   */
  async evaluate(expression: string, frame?: string, withoutEffect = false): Promise<Runtime.RemoteObject> {
    const options = {
      expression,
      objectGroup: this.group,
      generatePreview: true,
      silent: true,
      ...(withoutEffect ? { throwOnSideEffect: true } : {}),
    };
    const { result, exceptionDetails } = (await (frame === undefined
      ? this.link.inspector('Runtime.evaluate', options)
      : this.link.inspector('Debugger.evaluateOnCallFrame', {
          ...options,
          callFrameId: frame,
        }))) as Runtime.EvaluateReturnType;
    if (exceptionDetails === undefined) return result;
    const { exception, text } = exceptionDetails;
    throw new Error(exception === undefined ? text : valueText(exception));
  }

  /** Copies a variable to where later cells see it. @throws FoveaError `bad-argument` for anything but two names */
  async copyToGlobals(from: string, to: string, frame?: string): Promise<void> {
    if (!names.test(from) || !names.test(to)) {
      throw new FoveaError('bad-argument', `cannot copy "${from}" to "${to}": names are accepted`);
    }
    const value = `{ value: ${from}, writable: true, enumerable: true, configurable: true }`;
    await this.evaluate(`void Object.defineProperty(globalThis, ${JSON.stringify(to)}, ${value})`, frame);
  }

  /** A variable as a cell would show it. @throws FoveaError `bad-argument` for anything but a name */
  async richView(name: string, frame?: string): Promise<Fields> {
    if (!names.test(name))
      throw new FoveaError('bad-argument', `"${name}": the name of a variable is accepted`);
    const object = await this.evaluate(name, frame);
    const plain = { data: { 'text/plain': valueText(object) }, metadata: {} };
    const key = `Symbol.for(${JSON.stringify(FORMAT_VALUE)})`;
    const call = {
      objectGroup: this.group,
      functionDeclaration: `function (value) { const bundle = globalThis[${key}]?.(value); return bundle instanceof Promise ? undefined : JSON.stringify(bundle); }`,
    };
    const argument =
      object.objectId === undefined
        ? object.unserializableValue === undefined
          ? { value: object.value }
          : { unserializableValue: object.unserializableValue }
        : { objectId: object.objectId };
    const target = (await this.link.inspector('Runtime.evaluate', {
      expression: 'globalThis',
      objectGroup: this.group,
    })) as Runtime.EvaluateReturnType;
    const { result } = (await this.link.inspector('Runtime.callFunctionOn', {
      ...call,
      objectId: target.result.objectId,
      arguments: [argument],
      silent: true,
    })) as Runtime.EvaluateReturnType;
    return typeof result.value === 'string' ? (JSON.parse(result.value) as Fields) : plain;
  }
}
