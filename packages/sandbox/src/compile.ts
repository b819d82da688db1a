import type { ExecutionRequest } from '@loopgate/contracts'
import type { SessionDeps, SessionEnd } from './jail/session.ts'
import { compileDirectly, fillTemplate } from './languages/direct.ts'
import type { Runtime } from './languages/runtime.ts'
import { outcomeOf } from './outcome.ts'
import { runToEnd } from './run-to-end.ts'

export type Compiled = {
  readonly end: SessionEnd
  /** What the compiler made; null if it failed. */
  readonly program: Buffer | null
}

/**
 * Runs the compiler in a sandbox of its own, with the limits of its stage. What it makes comes out by a
 * descriptor of its own and is kept no larger than its writable folder may be.
 * @throws Error if the sandbox cannot be started
 */
export async function compile(
  deps: SessionDeps,
  runtime: Runtime,
  request: ExecutionRequest,
  id: string,
  closeFds: readonly number[],
  signal: AbortSignal,
): Promise<Compiled> {
  const { compileLimits: limits } = request
  const template = runtime.commands?.compile ?? []
  const argv = fillTemplate(template, request, 'compile', runtime.commands?.fileName)
  const chunks: Buffer[] = []
  let bytes = 0
  const end = await runToEnd(
    deps,
    {
      id: `${id}-compile`,
      runtime,
      role: 'compile',
      limits,
      stdin: null,
      direct: compileDirectly(runtime, argv, request, closeFds),
    },
    limits.wallMs,
    {},
    request,
    signal,
    (chunk) => {
      bytes += chunk.length
      if (bytes <= limits.diskBytes) chunks.push(chunk)
    },
  )
  const isMade = outcomeOf(end, limits.cpuMs) === 'ok' && bytes > 0 && bytes <= limits.diskBytes
  return { end, program: isMade ? Buffer.concat(chunks, bytes) : null }
}
