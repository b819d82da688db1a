import type { ExecutionRequest } from '@loopgate/contracts'
import { startSession, type SessionDeps, type SessionEnd } from './jail/session.ts'
import type { Runtime } from './languages/runtime.ts'
import type { ExecuteOptions } from './types.ts'

/**
 * Runs the entry file as a program with arguments and standard input.
 * @throws Error if the sandbox cannot be started
 */
export async function runProgram(
  deps: SessionDeps,
  runtime: Runtime,
  request: ExecutionRequest,
  id: string,
  init: Readonly<Record<string, unknown>>,
  { signal, onOutput }: ExecuteOptions,
): Promise<SessionEnd> {
  const session = startSession(
    deps,
    {
      id,
      runtime,
      role: 'program',
      limits: request.limits,
      stdin: request.stdin === '' ? null : request.stdin,
      onOutput,
    },
    request.limits.wallMs,
    { ...init, mode: 'program', entry: request.entry ?? request.files[0]?.path, args: request.args },
    request.files,
    // A program has nothing to say on the channel; what it writes there is its own affair.
    { onFrame: () => {}, onFault: () => {} },
  )
  const cancel = () => session.kill('cancelled')
  signal.addEventListener('abort', cancel, { once: true })
  try {
    return await session.ended
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
