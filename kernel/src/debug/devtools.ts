/** The parts of the Chrome DevTools Protocol (Debugger and Runtime domains) that the adapter reads. */
export interface RemoteObject {
  readonly type: string;
  readonly subtype?: string;
  readonly className?: string;
  readonly value?: unknown;
  readonly unserializableValue?: string;
  readonly description?: string;
  readonly objectId?: string;
  readonly preview?: ObjectPreview;
}

export interface ObjectPreview {
  readonly description?: string;
  readonly subtype?: string;
  readonly overflow?: boolean;
  readonly properties?: readonly PropertyPreview[];
  readonly entries?: readonly { readonly key?: ObjectPreview; readonly value: ObjectPreview }[];
}

export interface PropertyPreview {
  readonly name: string;
  readonly type: string;
  readonly subtype?: string;
  readonly value?: string;
}

export interface ScriptLocation {
  readonly scriptId: string;
  readonly lineNumber: number;
  readonly columnNumber?: number;
}

export interface CallFrame {
  readonly callFrameId: string;
  readonly functionName: string;
  readonly location: ScriptLocation;
  readonly url: string;
  readonly scopeChain: readonly { readonly type: string; readonly object: RemoteObject }[];
  readonly this: RemoteObject;
  readonly returnValue?: RemoteObject;
}

/** `Debugger.paused` */
export interface Paused {
  readonly callFrames: readonly CallFrame[];
  readonly reason: string;
  readonly data?: RemoteObject & { readonly uncaught?: boolean };
  readonly hitBreakpoints?: readonly string[];
}

export interface PropertyDescriptor {
  readonly name: string;
  readonly enumerable?: boolean;
  readonly isOwn?: boolean;
  readonly symbol?: RemoteObject;
  readonly value?: RemoteObject;
  readonly get?: RemoteObject;
  readonly set?: RemoteObject;
}

export interface Properties {
  readonly result: readonly PropertyDescriptor[];
  readonly internalProperties?: readonly { readonly name: string; readonly value?: RemoteObject }[];
}

export interface Evaluation {
  readonly result: RemoteObject;
  readonly exceptionDetails?: { readonly text: string; readonly exception?: RemoteObject };
}

export interface ScriptParsed {
  readonly scriptId: string;
  readonly url: string;
  /** Column that the script's first line begins at. */
  readonly startColumn?: number;
}
