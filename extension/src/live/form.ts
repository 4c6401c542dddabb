import { counted, formatPercent } from '@fovea/kernel/presentation';
import { type Control, choice, picker, slider } from '../controls';
import { element, uniqueId } from '../dom';
import type { LiveCatalogue, LiveState } from './protocol';
import { granularities, networkOf, takesRate } from './state';
import { deviceLabel } from './words';

const MASKERS = {
  learned: { label: 'Learned', hint: 'The masks that the network was trained with' },
  saliency: { label: 'Saliency', hint: 'Where the features are strongest' },
  random: { label: 'Random', hint: 'Cells drawn at the rate, for comparison' },
  painted: { label: 'Painted', hint: 'The region that you paint on the image' },
} as const;

/** What is said of the pictures beside the notebook that cannot be chosen. */
function leftOutLines({ refusedImages = [], moreImages = 0 }: LiveCatalogue): readonly string[] {
  return [
    ...refusedImages.map(({ reason }) => `${reason}.`),
    ...(moreImages > 0
      ? [`${counted(moreImages, 'more picture')} beside the notebook: the first by name are shown.`]
      : []),
  ];
}

const named = (names: readonly string[]) => names.map((name) => ({ value: name, label: name }));

/** The controls of the panel, for one catalogue. They only say what was changed; the session decides the rest. */
export class LiveForm {
  /** What to compute on. */
  readonly input: HTMLElement;
  /** What to compute, and how. */
  readonly settings: HTMLElement;
  private readonly network: Control<string>;
  private readonly images: Control<string>;
  private readonly masker: Control<LiveState['masker']>;
  private readonly rate: Control<number> & { readonly input: HTMLInputElement };
  private readonly stages: readonly (Control<string> & { readonly select: HTMLSelectElement })[];
  private readonly strategy: Control<string>;
  private readonly device: Control<string>;
  private readonly threads: Control<string>;

  constructor(
    catalogue: LiveCatalogue,
    private state: LiveState,
    onChange: (patch: Partial<LiveState>) => void,
  ) {
    const network = networkOf(catalogue, state);
    this.network = picker({
      label: 'Network',
      options: named(catalogue.networks.map(({ name }) => name)),
      value: network.name,
      onChange: (value) => onChange({ network: value }),
    });
    this.images = choice({
      label: 'Image',
      options: named(catalogue.images.map(({ name }) => name)),
      value: state.image,
      onChange: (image) => onChange({ image, region: undefined }),
    });
    this.images.node.classList.add('fovea-image-choice');
    this.images.node.querySelectorAll('button').forEach((item, index) => {
      const { name, png } = catalogue.images[index]!;
      item.title = name;
      item.setAttribute('aria-label', name);
      item.replaceChildren(element('img', { alt: '', src: `data:image/png;base64,${png}` }));
    });
    this.masker = choice<LiveState['masker']>({
      label: 'Masks',
      options: (Object.keys(MASKERS) as LiveState['masker'][])
        .filter((masker) => masker !== 'learned' || network.learned)
        .map((value) => ({ value, ...MASKERS[value] })),
      value: state.masker,
      onChange: (masker) => onChange({ masker }),
    });
    this.masker.node.classList.add('fovea-even');
    this.rate = slider({
      label: 'Rate',
      min: 0,
      max: 1,
      step: 0.01,
      value: state.rate,
      format: formatPercent,
      onInput: (rate) => onChange({ rate }),
    });
    this.stages = Array.from({ length: network.stages }, (_, stage) =>
      picker({
        label: `Stage ${stage + 1}`,
        options: granularities(network, stage, state.granularity[stage] ?? 1).map((S) => ({
          value: String(S),
          label: String(S),
        })),
        value: String(state.granularity[stage]),
        onChange: (value) =>
          onChange({
            granularity: this.state.granularity.map((S, at) => (at === stage ? Number(value) : S)),
          }),
      }),
    );
    this.strategy = picker({
      label: 'Strategy',
      options: named(catalogue.strategies),
      value: state.strategy,
      onChange: (strategy) => onChange({ strategy }),
    });
    this.device = picker({
      label: 'Predict for',
      options: catalogue.devices.map((device) => ({ value: device.name, label: deviceLabel(device) })),
      value: state.device,
      onChange: (device) => onChange({ device }),
    });
    this.threads = picker({
      label: 'Threads',
      options: named(Array.from({ length: catalogue.maxThreads }, (_, index) => String(index + 1))),
      value: String(state.threads),
      onChange: (value) => onChange({ threads: Number(value) }),
    });

    const heading = uniqueId('stages');
    this.input = element(
      'div',
      { class: 'fovea-fields' },
      this.network.node,
      this.images.node,
      ...leftOutLines(catalogue).map((line) => element('p', { class: 'fovea-left-out' }, line)),
    );
    this.settings = element(
      'div',
      { class: 'fovea-fields' },
      element(
        'div',
        { class: 'fovea-field' },
        element('span', { class: 'fovea-label' }, 'Masks'),
        this.masker.node,
      ),
      this.rate.node,
      element(
        'div',
        { class: 'fovea-field', role: 'group', 'aria-labelledby': heading },
        element('span', { class: 'fovea-label', id: heading }, 'Granularity S per stage'),
        element('div', { class: 'fovea-stage-fields' }, ...this.stages.map(({ node }) => node)),
      ),
      this.strategy.node,
      element('div', { class: 'fovea-pair' }, this.device.node, this.threads.node),
    );
    this.show(state);
  }

  /** Shows a state of the same network. */
  show(state: LiveState): void {
    this.state = state;
    this.network.set(state.network);
    this.images.set(state.image);
    this.masker.set(state.masker);
    this.rate.set(state.rate);
    this.rate.input.disabled = !takesRate(state);
    this.rate.node.classList.toggle('fovea-mod-disabled', !takesRate(state));
    this.stages.forEach((stage, index) => {
      stage.set(String(state.granularity[index]));
    });
    this.strategy.set(state.strategy);
    this.device.set(state.device);
    this.threads.set(String(state.threads));
  }
}
