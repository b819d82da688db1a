import { cutFaults, cutNetwork } from '@loopgate/testkit/cut-network'
import { gateway } from '@loopgate/testkit/gateway'
import { createScope } from '@loopgate/testkit/scope'

export type CutSummary = {
  readonly seconds: number
  readonly executions: number
  /** What was not as it has to be; empty if all was well. */
  readonly faults: readonly string[]
}

/** One runner full of executions. */
const ACTIVE = 20

/** Cuts the network between a gateway and a busy runner for so long, with the heartbeats that ship. */
export async function cut(seconds: number, say: (text: string) => void): Promise<CutSummary> {
  const scope = createScope()
  try {
    const gw = await gateway(scope, { redis: null })
    const cutFor = () => new Promise((resolve) => setTimeout(resolve, seconds * 1000))
    const report = await cutNetwork(scope, gw, { active: ACTIVE, sleepSeconds: 1, cutFor, say })
    return { seconds, executions: report.ends.length, faults: cutFaults(report) }
  } finally {
    await scope.close()
  }
}
