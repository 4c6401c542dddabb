/**
 * Lets a command outlive those who read its output. A reader that has seen enough (`| head`, a closed terminal) must
 * not end a run that saves its result in a file; what is printed after that is lost, as was asked. Output that cannot
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
