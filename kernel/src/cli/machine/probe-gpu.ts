/**
 * The program that `fovea doctor` runs to look for a GPU, and what it answers. It is a process of its own because
 * drivers and WebGPU write to the terminal as they like, and may crash.
 */
import { webgpuBackend } from '@fovea/engine/backend';
import { describeGpu } from '@fovea/engine/internal';

/** What was found: a description of the GPU, or why there is none. */
export type GpuAnswer = { readonly gpu: string } | { readonly missing: string };

const missing = await webgpuBackend.check!();
const answer: GpuAnswer = missing === undefined ? { gpu: await describeGpu() } : { missing };
process.send!(answer, () => process.exit());
