import type { ExecutionRequest } from '@loopgate/contracts'
import type { JailSpec } from './jail/jail.ts'
import { startSession, type Init, type SessionDeps, type SessionEnd } from './jail/session.ts'

/** Starts a program and lets the abort of an execution end it. */
export async function runToEnd(
  deps: SessionDeps,
  spec: JailSpec,
  wallMs: number,
  init: Init,
  request: ExecutionRequest,
  signal: AbortSignal,
  onRecord?: (chunk: Buffer) => void,
): Promise<SessionEnd> {
  const session = startSession(deps, spec, wallMs, init, request.files, {
    // A program has nothing to say on the channel; what it writes there is its own affair.
    onFrame: () => {},
    onFault: () => {},
    ...(onRecord && { onRecord }),
  })
  const cancel = () => session.kill('cancelled')
  signal.addEventListener('abort', cancel, { once: true })
  if (signal.aborted) cancel()
  try {
    return await session.ended
  } finally {
    signal.removeEventListener('abort', cancel)
  }
}
