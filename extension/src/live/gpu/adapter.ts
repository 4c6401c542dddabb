/** This browser's GPU, or why it cannot be used. */
export type GpuFound =
  | {
      readonly name: string;
      /** True when no GPU computes, but a program in its place: its times say nothing of a GPU. */
      readonly software: boolean;
    }
  | { readonly missing: string };

/** What is used of WebGPU to find out. */
interface Gpu {
  requestAdapter(options: { powerPreference: 'high-performance' }): Promise<{
    readonly info: {
      readonly description: string;
      readonly vendor: string;
      readonly architecture: string;
      readonly device: string;
      readonly isFallbackAdapter?: boolean;
    };
  } | null>;
}

/** Asks the browser for its GPU. Never throws. */
export async function findGpu(): Promise<GpuFound> {
  const { gpu } = navigator as { readonly gpu?: Gpu };
  if (!gpu) {
    return {
      missing: window.isSecureContext
        ? 'This browser offers no WebGPU.'
        : 'WebGPU needs an https address, or an address of this machine.',
    };
  }
  try {
    const adapter = await gpu.requestAdapter({ powerPreference: 'high-performance' });
    if (!adapter) return { missing: 'WebGPU finds no GPU that this browser may use.' };
    const { description, vendor, architecture, device, isFallbackAdapter = false } = adapter.info;
    const name = description || [vendor, architecture, device].filter(Boolean).join(' ');
    return { name: name || 'an unnamed GPU', software: isFallbackAdapter };
  } catch (error) {
    return { missing: `WebGPU does not work in this browser: ${(error as Error).message}` };
  }
}
