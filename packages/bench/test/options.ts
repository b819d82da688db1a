import { fileURLToPath } from 'node:url'
import type { GatewayOptions } from '../src/scenarios/gateway.ts'
import { toolFinder } from '../src/tools.ts'

const ROOT = fileURLToPath(new URL('../../..', import.meta.url)).replace(/\/$/, '')

/** The shortest run that there is: one stretch of a second, no warm-up. */
export async function shortRun(folder: string, cases: NonNullable<GatewayOptions['cases']>): Promise<GatewayOptions> {
  const say = () => {}
  return { seconds: 1, warmupSeconds: 0, repeats: 1, root: ROOT, folder, tool: await toolFinder(ROOT, say), say, cases }
}
