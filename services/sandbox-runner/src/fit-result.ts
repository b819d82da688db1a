import { MAX_FRAME_BYTES, type ExecutionResult } from '@loopgate/contracts'

/** What a result may take of a frame: the rest is for its envelope. */
const RESULT_BYTES_MAX = MAX_FRAME_BYTES - 64 * 1024

/**
 * A result that fits into one frame. A control character of the output takes six bytes of JSON, so
 * an output within its own limit may still be too large: then it is cut and marked as truncated.
 */
export function fitResult(result: ExecutionResult): ExecutionResult {
  let fitted = result
  const cut = (text: string, keep: number) => text.slice(0, Math.floor(text.length * keep))
  for (let keep = 0.5; Buffer.byteLength(JSON.stringify(fitted)) > RESULT_BYTES_MAX && keep > 0.01; keep /= 2) {
    fitted = {
      ...result,
      stdout: cut(result.stdout, keep),
      stderr: cut(result.stderr, keep),
      ...(result.compile && {
        compile: {
          ...result.compile,
          stdout: cut(result.compile.stdout, keep),
          stderr: cut(result.compile.stderr, keep),
        },
      }),
      truncated: { stdout: true, stderr: true },
    }
  }
  return fitted
}
