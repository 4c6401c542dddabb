/**
 * Lets a command go on when nobody reads its output any more (`| head`, a closed terminal): a run that saves its result
 * in a file must not end for that. What is printed afterwards is discarded. Output that cannot
 * be written for another reason, such as a full disk, is reported and makes the exit code 1.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', ({ code, message }: NodeJS.ErrnoException) => {
      if (code === 'EPIPE') return;
      process.exitCode = 1;
      if (stream === process.stderr) return;
      const reason = code === 'ENOSPC' ? 'the disk is full' : message;
      process.stderr.write(`fovea: cannot write the output: ${reason}\n`);
    });
  }
}
