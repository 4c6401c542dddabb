import type { Command } from 'commander';

/** Adds `fovea kernel`, which Jupyter starts. */
export function register(program: Command): void {
  program
    .command('kernel')
    .description('start the Jupyter kernel (this is what a kernelspec calls)')
    .requiredOption('-f, --connection-file <file>', 'connection file that Jupyter writes')
    // Clients written for IPython pass IPython's options, which must not prevent this kernel from starting.
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
