import type { JsonObject } from '../../json-object.js';
import type { RuntimeLink } from '../runtime-link.js';

/** What a debug adapter offers: `kernel/src/debug/adapter.ts` exports `DebugAdapter`. */
export interface Debugger {
  /** Answers a request of the Debug Adapter Protocol. */
  handle(request: JsonObject): Promise<JsonObject>;
  /** Resumes a paused program so that it can be interrupted. */
  interrupt(): Promise<void>;
  dispose(): void;
}

interface AdapterModule {
  readonly DebugAdapter: new (options: { link: RuntimeLink; sendEvent(event: JsonObject): void }) => Debugger;
}

/** The debug adapter, loaded with the first request for it. */
export class Debugging {
  #adapter: Promise<Debugger> | undefined;
  #attached = false;

  constructor(
    private readonly link: RuntimeLink,
    private readonly sendEvent: (event: JsonObject) => void,
  ) {}

  /** Whether a front end is debugging. */
  get attached(): boolean {
    return this.#attached;
  }

  async handle(request: JsonObject): Promise<JsonObject> {
    const { link, sendEvent } = this;
    if (request.command === 'attach' || request.command === 'launch') this.#attached = true;
    if (request.command === 'disconnect' || request.command === 'terminate') this.#attached = false;
    const path = '../../debug/adapter.js';
    this.#adapter ??= (import(path) as Promise<AdapterModule>).then(
      ({ DebugAdapter }) => new DebugAdapter({ link, sendEvent }),
    );
    try {
      return await (await this.#adapter).handle(request);
    } catch (error) {
      return {
        type: 'response',
        request_seq: request.seq,
        seq: 0,
        success: false,
        command: request.command,
        message: (error as Error).message,
      };
    }
  }

  /** A program that stands still does not notice interrupts. */
  async interrupt(): Promise<void> {
    await (await this.#adapter)?.interrupt();
  }

  dispose(): void {
    void this.#adapter?.then((adapter) => adapter.dispose());
  }
}
