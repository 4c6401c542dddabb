/**
 * A network on an image that somebody drops on the page, with its masks, on the browser's own GPU: the shipped one, or
 * a file that is dropped too. Static files, no server code. `npm run example:web` puts everything into examples/web/dist.
 */
import {
  activeFraction,
  type Block,
  blocksOf,
  learnedMasker,
  type Mask,
  makePlan,
  type Network,
  type RunResult,
  readNetwork,
  type Session,
  saliencyMasker,
  Tensor,
  webgpuBackend,
} from '@fovea/engine/web';

/** ImageNet's statistics, for networks that say nothing else. */
const MEAN = [0.485, 0.456, 0.406];
const DEVIATION = [0.229, 0.224, 0.225];

const element = <Kind extends HTMLElement>(id: string) => document.getElementById(id) as Kind;
const view = element<HTMLCanvasElement>('view');
const rate = element<HTMLInputElement>('rate');
const learned = element<HTMLInputElement>('learned');
const chosenBlock = element<HTMLSelectElement>('block');

const [weights, config] = await Promise.all([
  fetch('quick-look.safetensors').then((response) => response.arrayBuffer()),
  fetch('quick-look.json').then((response) => response.json() as Promise<object>),
]);
let network = await readNetwork(new Uint8Array(weights), { name: 'quick-look', config });
let session: Session | undefined;
let image: ImageBitmap | undefined;
let latest: RunResult | undefined;

/** Makes the page compute with a network. */
function setNetwork(next: Network): void {
  network = next;
  session?.dispose();
  session = undefined;
  latest = undefined;
  const blocks = blocksOf(network);
  chosenBlock.replaceChildren(...blocks.map(({ index, name }) => new Option(name, String(index))));
  learned.disabled = !hasMaskers(blocks);
  learned.checked = !learned.disabled;
  element('network').textContent = `${network.name}, ${blocks.length} residual blocks`;
}

/** Whether every block that can leave cells out has learned which. */
const hasMaskers = (blocks: readonly Block[]) =>
  blocks.some(({ masker }) => masker) && blocks.every(({ adaptive, masker }) => masker || !adaptive);

/** The middle of an image in the network's size, as numbers. */
function tensorOf(bitmap: ImageBitmap): Tensor {
  const { height, width } = network.inputShape;
  const { mean = MEAN, deviation = DEVIATION } = network.preprocessing ?? {};
  const canvas = new OffscreenCanvas(width, height);
  const context = canvas.getContext('2d')!;
  const side = Math.min(bitmap.width, bitmap.height);
  const [left, top] = [(bitmap.width - side) / 2, (bitmap.height - side) / 2];
  context.drawImage(bitmap, left, top, side, side, 0, 0, width, height);
  const { data } = context.getImageData(0, 0, width, height);
  const values = new Float32Array(height * width * 3);
  for (let i = 0; i < values.length; i++) {
    const channel = i % 3;
    const value = data[Math.floor(i / 3) * 4 + channel]! / 255;
    values[i] = (value - mean[channel]!) / deviation[channel]!;
  }
  return new Tensor([1, height, width, 3], values);
}

/** Runs the network as the controls say. */
async function compute(input: Tensor): Promise<RunResult> {
  const { height, width } = network.inputShape;
  session ??= await webgpuBackend.open(network, { batch: 1, height, width });
  const masker = learned.checked ? learnedMasker() : saliencyMasker(Number(rate.value));
  const maskers = blocksOf(network).map(() => masker);
  const plan = makePlan(network, { strategy: 'lasnet', maskers, height, width });
  return session.run(input, { plan, maskers, threads: 1 });
}

/** Darkens the cells of a mask that were not computed. */
function drawMask({ rows, columns, cells }: Mask): void {
  const context = view.getContext('2d')!;
  context.fillStyle = 'rgba(0, 0, 0, 0.6)';
  for (let cell = 0; cell < cells.length; cell++) {
    if (cells[cell]) continue;
    const [top, bottom] = [0, 1].map((i) => ((Math.floor(cell / columns) + i) * view.height) / rows);
    const [left, right] = [0, 1].map((i) => (((cell % columns) + i) * view.width) / columns);
    context.fillRect(left!, top!, right! - left!, bottom! - top!);
  }
}

function draw(): void {
  if (!image) return;
  const side = Math.min(image.width, image.height);
  const [left, top] = [(image.width - side) / 2, (image.height - side) / 2];
  view.getContext('2d')!.drawImage(image, left, top, side, side, 0, 0, view.width, view.height);
  const mask = latest?.masks.find(({ block }) => block === Number(chosenBlock.value));
  if (mask) drawMask(mask);
  if (!latest) return;
  const { output, profile } = latest;
  const best = output.data.indexOf(Math.max(...output.data));
  const [, software = ''] = profile.source.split(', ');
  const share = profile.flops / (profile.flops + profile.flopsAvoided);
  element('answer').textContent =
    `${network.labels?.[best] ?? `class ${best}`}: ${profile.totalMs.toFixed(1)} ms on ${profile.device}${software && ` (${software}: no measure of a GPU)`}, ` +
    `${(100 * share).toFixed(0)} % of the FLOPs` +
    (mask ? `, ${(100 * activeFraction(mask.cells)).toFixed(0)} % of the cells in this block` : '');
}

let busy: Promise<void> = Promise.resolve();

/** Runs once what was asked for before is done. */
function update(): void {
  busy = busy.then(async () => {
    if (!image) return;
    try {
      latest = await compute(tensorOf(image));
      element('fault').textContent = '';
      draw();
    } catch (error) {
      element('fault').textContent = (error as Error).message;
    }
  });
}

/** Takes an image, or a network. */
async function take(file: File | undefined | null): Promise<void> {
  if (!file) return;
  const [, name, kind] = /^(.*)\.(onnx|safetensors|pth|pt)$/i.exec(file.name) ?? [];
  if (kind) {
    const bytes = new Uint8Array(await file.arrayBuffer());
    try {
      const read = await readNetwork(bytes, { name: name! });
      // A run under way still reads the network that it was asked for.
      await busy;
      setNetwork(read);
      element('fault').textContent = '';
    } catch (error) {
      element('fault').textContent = (error as Error).message;
      return;
    }
    update();
    return;
  }
  try {
    image = await createImageBitmap(file);
  } catch {
    element('fault').textContent = 'The browser cannot read this image.';
    return;
  }
  update();
}

element<HTMLInputElement>('file').addEventListener('change', (event) => {
  void take((event.target as HTMLInputElement).files?.[0]);
});
document.addEventListener('dragover', (event) => event.preventDefault());
document.addEventListener('drop', (event) => {
  event.preventDefault();
  void take(event.dataTransfer?.files[0]);
});
rate.addEventListener('input', () => {
  element('rate-value').textContent = rate.value;
  learned.checked = false;
  update();
});
learned.addEventListener('change', update);
chosenBlock.addEventListener('change', draw);

setNetwork(network);
const missing =
  'gpu' in navigator
    ? await webgpuBackend.check?.()
    : 'This browser offers no WebGPU to this page: it takes a current browser, and an address with https or of this machine.';
if (missing) element('fault').textContent = missing;

/** For tests: the network computed on numbers. */
Object.assign(globalThis, {
  computeValues: async (values: number[]) => {
    const { height, width } = network.inputShape;
    const { output, masks } = await compute(new Tensor([1, height, width, 3], Float32Array.from(values)));
    return { output: [...output.data], cells: masks.map(({ cells }) => [...cells]) };
  },
});
