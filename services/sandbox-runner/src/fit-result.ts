import { MAX_FRAME_BYTES, type ExecutionResult } from '@loopgate/contracts'

/** What a result may take of a frame: the rest is for its envelope. */
const RESULT_BYTES_MAX = MAX_FRAME_BYTES - 64 * 1024

/**
 * A result that fits into one frame. A control character of the output takes six bytes of JSON, so
 * an output within its own limit may still be too large: then it is cut and marked as truncated.
 */
export function fitResult(result: ExecutionResult): ExecutionResult {
  let fitted = result
  for (let keep = 0.5; Buffer.byteLength(JSON.stringify(fitted)) > RESULT_BYTES_MAX && keep > 0.01; keep /= 2) {
    fitted = {
      ...result,
      stdout: result.stdout.slice(0, Math.floor(result.stdout.length * keep)),
      stderr: result.stderr.slice(0, Math.floor(result.stderr.length * keep)),
      truncated: { stdout: true, stderr: true },
    }
  }
  return fitted
}
