import type { Command } from 'commander';

/** `fovea kernel`: what Jupyter starts. */
export function register(command: Command): void {
  command
    .requiredOption('-f, --connection-file <file>', 'connection file that Jupyter writes')
    // Clients written for IPython pass IPython's options, which this kernel ignores.
    .allowUnknownOption()
    .allowExcessArguments()
    .action(async ({ connectionFile }: { connectionFile: string }) => {
      const [{ startKernel }, { watchParent }, { readConnection }] = await Promise.all([
        import('../../execution/host/main.js'),
        import('../../execution/host/parent-watch.js'),
        import('../../protocol/connection.js'),
      ]);
      const kernel = await startKernel(readConnection(connectionFile));
      watchParent(() => void kernel.shutdown());
      await kernel.ended;
      process.exit(0);
    });
}
