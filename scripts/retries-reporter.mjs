/** Names every test that needed another try, so that a second try is not silent. */
export default class RetriesReporter {
  onTestRunEnd(modules) {
    const retried = modules.flatMap((module) =>
      [...module.children.allTests()].filter((test) => (test.diagnostic()?.retryCount ?? 0) > 0),
    );
    if (retried.length === 0) return;
    process.stdout.write(`\n${retried.length} needed another try:\n`);
    for (const test of retried) process.stdout.write(`  ${test.fullName}\n`);
  }
}
