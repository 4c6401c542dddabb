import type { Command } from 'commander';

/** Adds `fovea kernel`, which Jupyter starts. */
export function register(program: Command): void {
  program
    .command('kernel')
    .description('Start the Jupyter kernel (a kernelspec calls this).')
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
