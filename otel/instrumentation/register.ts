/**
 * `node --import @llamascope/otel/register app.js`: observes a program that uses node-llama-cpp, and serves its metrics. The export
 * `./register`.
 */

// node-llama-cpp tests its binary in a fork that inherits `--import`. That fork must load nothing else, or the test fails and `getLlama`
// rejects with NoBinaryFoundError.
if (process.env['TEST_BINDING_CP'] !== 'true') {
  try {
    const { observeProgram } = await import('./program.ts');
    await observeProgram();
  } catch (error) {
    process.stderr.write(`@llamascope/otel: nothing is observed: ${String(error)}\n`);
  }
}
