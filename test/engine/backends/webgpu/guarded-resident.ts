import type { ResidentNetwork } from '../../../../engine/src/backends/webgpu/gpu-program.js';
import { Resident } from '../../../../engine/src/backends/webgpu/resident.js';

const PATTERN = 0x5afe_c0de;
const GUARD_WORDS = 256;
const STORAGE_AND_COPIES = 0x80 | 0x04 | 0x08;

/**
 * A network whose maps have a guard behind them: WebGPU lets a write that misses land in a buffer's last elements, so
 * that nothing else would show it.
 */
export class GuardedResident extends Resident {
  readonly #guarded: { readonly buffer: GPUBuffer; readonly bytes: number }[] = [];

  override maps(wanted: Parameters<ResidentNetwork['maps']>[0]): GPUBuffer[] {
    return wanted.map(({ bytes, what }) => {
      const end = Math.ceil(bytes / 16) * 16;
      const buffer = this.device.buffer(what, end + 4 * GUARD_WORDS, STORAGE_AND_COPIES);
      const pattern = new Uint32Array(GUARD_WORDS).fill(PATTERN);
      this.device.gpu.queue.writeBuffer(buffer, end, pattern);
      this.#guarded.push({ buffer, bytes: end });
      return buffer;
    });
  }

  /** How many maps had their guard written to. */
  async touched(): Promise<number> {
    let touched = 0;
    for (const { buffer, bytes } of this.#guarded) {
      const words = await readWords(this, buffer, bytes, GUARD_WORDS);
      if (words.some((word) => word !== PATTERN)) touched++;
    }
    return touched;
  }
}

/** Words of a buffer from a byte on. */
export async function readWords(
  { device }: Resident,
  buffer: GPUBuffer,
  at: number,
  count: number,
): Promise<Uint32Array> {
  const readable = device.buffer('words', 4 * count, 0x01 | 0x08);
  const encoder = device.gpu.createCommandEncoder();
  encoder.copyBufferToBuffer(buffer, at, readable, 0, 4 * count);
  device.gpu.queue.submit([encoder.finish()]);
  return new Uint32Array(await device.read(readable, 4 * count));
}
