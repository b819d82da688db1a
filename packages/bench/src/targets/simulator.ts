import { join } from 'node:path'
import { freePort } from '@loopgate/testkit/redis'
import { CORES, startPinned, type Pinned } from '../measure/pinned.ts'

export type Simulator = Pinned & {
  readonly origin: string
  /** Completions asked of it so far. */
  readonly requests: () => Promise<number>
}

/** The simulated Cerebras as a process on the core of the load, at this pace; resolves once it answers. */
export async function startSimulator(
  { root, folder }: { root: string; folder: string },
  tokensPerSecond: number,
): Promise<Simulator> {
  const port = await freePort()
  const simulator = startPinned(
    'simulator',
    CORES.load,
    [process.execPath, join(root, 'services/cerebras-sim/src/server.ts')],
    {
      logFolder: folder,
      env: { LOOPGATE_SIM_PORT: String(port), LOOPGATE_SIM_TOKENS_PER_SECOND: String(tokensPerSecond) },
    },
  )
  const origin = `http://127.0.0.1:${port}`
  await simulator.answers(`${origin}/healthz`)
  return {
    ...simulator,
    origin,
    async requests() {
      const reply = await fetch(`${origin}/__sim/stats`)
      return ((await reply.json()) as { requests: number }).requests
    },
  }
}
