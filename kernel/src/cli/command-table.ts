import type { Command } from 'commander';

/** What is known of a command before its module is loaded. */
interface ListedCommand {
  /** Its name and its argument, as in its usage. */
  readonly usage: string;
  /** What it does, in a line of `fovea --help`. */
  readonly description: string;
  /** Loads its module; resolves to what gives the command its options and its action. */
  readonly load: () => Promise<(command: Command) => void>;
}

/** The commands of `fovea`, in the order of its help, which loads none of them. */
const commands: readonly ListedCommand[] = [
  {
    usage: 'adapt <model>',
    description:
      'Learn the maskers of a trained network on your images, without labels; an interrupted run continues where it stopped.',
    load: async () => (await import('./commands/adapt.js')).register,
  },
  {
    usage: 'bench <model>',
    description:
      'Time the engine against onnxruntime dense, alternately in one process, after checking its answers.',
    load: async () => (await import('./commands/bench.js')).register,
  },
  {
    usage: 'calibrate',
    description: 'Measure this machine and store the result as the device "this-machine", or "this-gpu".',
    load: async () => (await import('./commands/calibrate.js')).register,
  },
  {
    usage: 'doctor',
    description: 'Check what Fovea needs on this machine.',
    load: async () => (await import('./commands/doctor.js')).register,
  },
  {
    usage: 'evaluate <model>',
    description: 'Accuracy, agreement with dense, rates per block, and latency measured and predicted.',
    load: async () => (await import('./commands/evaluate.js')).register,
  },
  {
    usage: 'export <notebook>',
    description: 'Write a notebook as one page that needs nothing else: figures are pictures and tables.',
    load: async () => (await import('./commands/export.js')).register,
  },
  {
    usage: 'fit <model>',
    description: 'Fit a masker to every residual block from a few images; report agreement with dense.',
    load: async () => (await import('./commands/fit.js')).register,
  },
  {
    usage: 'infer <model>',
    description: 'Run a network adaptively; report classes, masks and where the time went.',
    load: async () => (await import('./commands/infer.js')).register,
  },
  {
    usage: 'inspect <model>',
    description:
      'Blocks, shapes, FLOPs (multiply-adds x 2) and parameters of a model, and which blocks are adaptive.',
    load: async () => (await import('./commands/inspect.js')).register,
  },
  {
    usage: 'install',
    description: 'Put the kernel and the JupyterLab extension where an existing Jupyter finds them.',
    load: async () => (await import('./commands/install.js')).registerInstall,
  },
  {
    usage: 'kernel',
    description: 'Start the Jupyter kernel (a kernelspec calls this).',
    load: async () => (await import('./commands/kernel.js')).register,
  },
  {
    usage: 'lab [path]',
    description: 'Start JupyterLab with the Fovea kernel and extension, on Node alone.',
    load: async () => (await import('./commands/lab.js')).register,
  },
  {
    usage: 'launcher',
    description: 'Start the Jupyter kernel for a gateway on another machine (its kernelspec calls this).',
    load: async () => (await import('./commands/launcher.js')).register,
  },
  {
    usage: 'list',
    description: 'Show where the kernel and the extension are installed.',
    load: async () => (await import('./commands/install.js')).registerList,
  },
  {
    usage: 'predict [model]',
    description: 'Predict the latency of a network on a device, or recompute a table of reference rows.',
    load: async () => (await import('./commands/predict.js')).register,
  },
  {
    usage: 'search <model>',
    description: 'Find the best granularity and strategy for every block and stage, with the reasons.',
    load: async () => (await import('./commands/search.js')).register,
  },
  {
    usage: 'sweep <spec>',
    description:
      'Run every point of a space (networks x S x strategies x rates x …), here or on a queue of workers. A restarted sweep continues where it stopped: no finished point runs twice.',
    load: async () => (await import('./commands/sweep.js')).register,
  },
  {
    usage: 'sweeps',
    description:
      'List the sweeps of this machine or of a queue; show, cancel or remove one; remove files that none refers to.',
    load: async () => (await import('./commands/sweeps.js')).register,
  },
  {
    usage: 'train <recipe>',
    description:
      'Train a small network and its masks by a recipe; an interrupted run continues where it stopped.',
    load: async () => (await import('./commands/train.js')).register,
  },
  {
    usage: 'uninstall',
    description: 'Remove exactly what fovea install installed.',
    load: async () => (await import('./commands/install.js')).registerUninstall,
  },
  {
    usage: 'validate <model>',
    description: 'Predict and measure the same plans on this machine, and print how far apart they are.',
    load: async () => (await import('./commands/validate.js')).register,
  },
  {
    usage: 'worker',
    description: 'Serve a queue of sweep points on this machine until it is stopped.',
    load: async () => (await import('./commands/worker.js')).register,
  },
];

/**
 * Adds every command to a program, and loads those that are wanted: only these take options and do something.
 * @param isWanted asked with the name of each
 */
export async function addCommands(program: Command, isWanted: (name: string) => boolean): Promise<void> {
  for (const { usage, description, load } of commands) {
    const command = program.command(usage).description(description);
    if (isWanted(command.name())) (await load())(command);
  }
}
