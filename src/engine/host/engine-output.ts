/**
 * Reads the stderr of the engine process: why a model cannot be loaded, and why a process aborted. Used by engine-process.ts.
 * No line is passed on as it is, because lines of llama.cpp contain paths, and after the load also text of requests.
 */
import { basename, dirname } from 'node:path';

/** Enough for the lines of a failed load. */
const maxLines = 50;
const maxLineChars = 300;

/** Collects lines, each at most 300 characters. */
export function createEngineOutput(modelPath: string) {
  let lines: string[] = [];
  let rest = '';
  return {
    push(chunk: string): void {
      const parts = (rest + chunk).split('\n');
      rest = (parts.pop() ?? '').slice(0, maxLineChars);
      lines = [...lines, ...parts.map((line) => line.slice(0, maxLineChars))].slice(-maxLines);
    },
    /** The line of llama.cpp that says why the load failed; else the last line; undefined if there is none. */
    loadFailure(): string | undefined {
      const written = [...lines, rest].map(withoutPrefix).filter((line) => line !== '');
      const cause = written.find((line) => /\berror\b|GGML_ASSERT|corrupt/i.test(line));
      return shorten(cause ?? written.at(-1), modelPath);
    },
    /** The line of an aborted process; undefined for any other line, which may quote a prompt or a grammar. */
    abortLine(): string | undefined {
      return shorten([...lines, rest].findLast(isAbort), modelPath);
    },
  };
}

/** llama.cpp's failed assertions, and V8's fatal errors such as a heap that is full. */
function isAbort(line: string): boolean {
  return /GGML_ASSERT|GGML_ABORT|^FATAL ERROR:/.test(line);
}

function withoutPrefix(line: string): string {
  return line.replace(/^\[node-llama-cpp\]\s*/, '').trim();
}

/** The line with file names in place of paths, and without control characters. */
function shorten(line: string | undefined, modelPath: string): string | undefined {
  return line
    ?.replaceAll(modelPath, basename(modelPath))
    .replaceAll(`${dirname(modelPath)}/`, '')
    .replaceAll(/(?<!\w)[.~]{0,2}\/(?:[^\s/'"]+\/)*/g, '')
    .replaceAll(/\p{Cc}|\p{Cf}|\uFFFD/gu, '')
    .trim();
}
