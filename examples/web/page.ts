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

/** Pixels along a side that are kept of an image: photographs have many times more than any network takes. */
const MOST_SIDE = 1024;

/** Why nothing can be computed here. */
let missing: string | undefined;
let network: Network | undefined;
let session: Session | undefined;
/** A square. */
let image: ImageBitmap | undefined;
let latest: RunResult | undefined;

/** A file that lies beside the page. */
async function beside(name: string): Promise<Response> {
  const response = await fetch(name);
  if (!response.ok) throw new Error(`${response.status} ${response.statusText}`.trim());
  return response;
}

async function readShipped(): Promise<Network> {
  const [weights, config] = await Promise.all([
    beside('quick-look.safetensors').then((response) => response.arrayBuffer()),
    beside('quick-look.json').then((response) => response.json() as Promise<object>),
  ]);
  return readNetwork(new Uint8Array(weights), { name: 'quick-look', config });
}

function fail(message: string): void {
  element('fault').textContent = message;
}

/** Makes the page compute with a network. */
function setNetwork(next: Network): void {
  network = next;
  session?.dispose();
  session = undefined;
  forget();
  const blocks = blocksOf(next);
  chosenBlock.replaceChildren(...blocks.map(({ index, name }) => new Option(name, String(index))));
  learned.disabled = !hasMaskers(blocks);
  learned.checked = !learned.disabled;
  element('network').textContent = `${next.name}, ${blocks.length} residual blocks`;
}

/** Takes back an answer that is not about what is shown from now on. */
function forget(): void {
  latest = undefined;
  element('answer').textContent = '';
}

/** Whether every block that can leave cells out has learned which. */
const hasMaskers = (blocks: readonly Block[]) =>
  blocks.some(({ masker }) => masker) && blocks.every(({ adaptive, masker }) => masker || !adaptive);

/** The middle of an image, no larger than is of use. */
async function readImage(file: File): Promise<ImageBitmap> {
  const whole = await createImageBitmap(file);
  const side = Math.min(whole.width, whole.height);
  const [left, top] = [Math.floor((whole.width - side) / 2), Math.floor((whole.height - side) / 2)];
  const kept = Math.min(side, MOST_SIDE);
  try {
    return await createImageBitmap(whole, left, top, side, side, {
      ...{ resizeWidth: kept, resizeHeight: kept, resizeQuality: 'high' },
    });
  } finally {
    whole.close();
  }
}

/** An image in the network's size, as numbers. */
function tensorOf(bitmap: ImageBitmap, { inputShape, preprocessing = {} }: Network): Tensor {
  const { height, width } = inputShape;
  const { mean = MEAN, deviation = DEVIATION } = preprocessing;
  const context = new OffscreenCanvas(width, height).getContext('2d')!;
  context.drawImage(bitmap, 0, 0, width, height);
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
async function compute(input: Tensor, on: Network): Promise<RunResult> {
  const { height, width } = on.inputShape;
  session ??= await webgpuBackend.open(on, { batch: 1, height, width });
  const masker = learned.checked ? learnedMasker() : saliencyMasker(Number(rate.value));
  const maskers = blocksOf(on).map(() => masker);
  const plan = makePlan(on, { strategy: 'lasnet', maskers, height, width });
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
  view.getContext('2d')!.drawImage(image, 0, 0, view.width, view.height);
  const mask = latest?.masks.find(({ block }) => block === Number(chosenBlock.value));
  if (mask) drawMask(mask);
  if (!latest) return;
  const { output, profile } = latest;
  let best = 0;
  for (const [i, value] of output.data.entries()) if (value > output.data[best]!) best = i;
  const [, software = ''] = profile.source.split(', ');
  const share = profile.flops / (profile.flops + profile.flopsAvoided);
  element('answer').textContent =
    `${network!.labels?.[best] ?? `class ${best}`}: ${profile.totalMs.toFixed(1)} ms on ${profile.device}${software && ` (${software}: no measure of a GPU)`}, ` +
    `${(100 * share).toFixed(0)} % of the FLOPs` +
    (mask ? `, ${(100 * activeFraction(mask.cells)).toFixed(0)} % of the cells in this block` : '');
}

let busy: Promise<void> = Promise.resolve();
let isWaiting = false;

/** Runs as soon as a run under way is done: once, however often it was asked for meanwhile. */
function update(): void {
  if (isWaiting) return;
  isWaiting = true;
  busy = busy.then(async () => {
    isWaiting = false;
    const [shown, on] = [image, network];
    if (!shown || !on) return;
    if (missing) {
      fail(missing);
      return;
    }
    if (!latest) {
      element('answer').textContent = session
        ? 'Computing …'
        : 'Computing … Before the first run a GPU is asked which kernels are fast, which may take some seconds.';
    }
    try {
      const result = await compute(tensorOf(shown, on), on);
      if (shown !== image) return;
      latest = result;
      fail('');
      draw();
    } catch (error) {
      forget();
      draw();
      fail((error as Error).message);
    }
  });
}

/** Files that were given, so that of two the later one counts. */
let given = 0;

/** Takes an image, or a network. */
async function take(file: File | undefined | null): Promise<void> {
  if (!file) return;
  const turn = ++given;
  fail('');
  element('answer').textContent = `Reading ${file.name} …`;
  const [, name, kind] = /^(.*)\.(onnx|safetensors|pth|pt)$/i.exec(file.name) ?? [];
  try {
    if (kind) {
      const read = await readNetwork(new Uint8Array(await file.arrayBuffer()), { name: name! });
      const { channels } = read.inputShape;
      if (channels !== 3) throw new Error(`${name} takes images of ${channels} channels; here they have 3`);
      // A run under way still reads the network that it was asked for.
      for (let runs: Promise<void> | undefined; runs !== busy; ) {
        runs = busy;
        await runs;
      }
      if (turn !== given) return;
      setNetwork(read);
    } else {
      const read = await readImage(file).catch(() => {
        throw new Error(`${file.name} is no image that this browser can read, nor a network.`);
      });
      if (turn !== given) return;
      image?.close();
      image = read;
    }
    forget();
    draw();
    update();
  } catch (error) {
    if (turn !== given) return;
    element('answer').textContent = '';
    // What was shown before still is.
    draw();
    fail((error as Error).message);
  }
}

element<HTMLInputElement>('file').addEventListener('change', (event) => {
  void take((event.target as HTMLInputElement).files?.[0]);
});
// So that the same file can be chosen again.
element<HTMLInputElement>('file').addEventListener('click', (event) => {
  (event.target as HTMLInputElement).value = '';
});
document.addEventListener('dragover', (event) => {
  event.preventDefault();
  document.body.classList.add('over');
});
document.addEventListener('dragleave', (event) => {
  if (!event.relatedTarget) document.body.classList.remove('over');
});
document.addEventListener('drop', (event) => {
  event.preventDefault();
  document.body.classList.remove('over');
  void take(event.dataTransfer?.files[0]);
});
rate.addEventListener('input', () => {
  element('rate-value').textContent = rate.value;
  learned.checked = false;
  update();
});
learned.addEventListener('change', update);
chosenBlock.addEventListener('change', draw);

missing =
  'gpu' in navigator
    ? await webgpuBackend.check?.()
    : 'This browser offers no WebGPU to this page: it takes a current browser, and an address with https or of this machine.';
if (missing) fail(missing);
try {
  setNetwork(await readShipped());
} catch (error) {
  element('network').textContent = 'No network yet: drop one here.';
  fail(`The network that comes with this page cannot be loaded: ${(error as Error).message}`);
}
// An image may have been dropped before.
update();

/** For tests: the network computed on numbers. */
Object.assign(globalThis, {
  computeValues: async (values: number[]) => {
    const { height, width } = network!.inputShape;
    const input = new Tensor([1, height, width, 3], Float32Array.from(values));
    const { output, masks } = await compute(input, network!);
    return { output: [...output.data], cells: masks.map(({ cells }) => [...cells]) };
  },
});
