import type { ExecutionResult } from '@loopgate/contracts'
import type { OnOutput } from '../types.ts'
import { createCappedOutput, type CappedOutput } from './output.ts'

/** Both outputs of one sandbox, as they stand in a result. */
export type OutputsEnd = Pick<ExecutionResult, 'stdout' | 'stderr' | 'truncated'> & {
  readonly streams: NonNullable<ExecutionResult['streams']>
}

export type Outputs = {
  readonly stdout: (chunk: Buffer) => void
  readonly stderr: (chunk: Buffer) => void
  readonly end: () => OutputsEnd
}

/** Keeps both outputs, each up to the limit; `onOverflow` may be called twice. */
export function createOutputs(limitBytes: number, onOverflow: () => void, onOutput?: OnOutput): Outputs {
  const keep = (stream: 'stdout' | 'stderr') =>
    createCappedOutput(limitBytes, { onOverflow, onKept: onOutput && ((bytes) => onOutput(stream, bytes)) })
  const [out, err]: [CappedOutput, CappedOutput] = [keep('stdout'), keep('stderr')]
  return {
    stdout: out.push,
    stderr: err.push,
    end: () => ({
      stdout: out.text(),
      stderr: err.text(),
      truncated: { stdout: out.truncated(), stderr: err.truncated() },
      streams: { stdout: out.facts(), stderr: err.facts() },
    }),
  }
}
