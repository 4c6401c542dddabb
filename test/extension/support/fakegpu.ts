import type { GpuFound } from '../../../extension/src/live/gpu/adapter';
import type { GpuReply, GpuRequest } from '../../../extension/src/live/gpu/messages';
import type { GpuEnvironment } from '../../../extension/src/live/gpu/runs';

/** A browser's GPU whose worker does nothing by itself: a test answers for it. */
export class FakeGpu implements GpuEnvironment {
  /** What the browser says of its GPU. */
  found: GpuFound = { name: 'Fake 4000', software: false };
  /** Why the worker cannot be made. */
  refusal: string | undefined;
  /** Workers that were made, and how many of them were ended. */
  made = 0;
  ended = 0;
  readonly requests: GpuRequest[] = [];
  private worker: Worker | undefined;

  async find(): Promise<GpuFound> {
    return this.found;
  }

  makeWorker(): Worker {
    if (this.refusal) throw new Error(this.refusal);
    this.made += 1;
    const worker = {
      onmessage: null,
      onerror: null,
      postMessage: (request: GpuRequest) => this.requests.push(request),
      terminate: () => {
        this.ended += 1;
      },
    };
    this.worker = worker as unknown as Worker;
    return this.worker;
  }

  /** The number of the run that was asked for last. */
  get id(): number {
    return this.requests.findLast((request) => request.type === 'run')?.id ?? -1;
  }

  reply(reply: GpuReply): void {
    this.worker!.onmessage!(new MessageEvent('message', { data: reply }));
  }

  /** The worker's script fails. */
  crash(message: string): void {
    this.worker!.onerror!(new ErrorEvent('error', { message }));
  }
}
