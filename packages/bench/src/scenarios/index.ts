import { table } from '../report/table.ts'
import { gatewayBench, type GatewayOptions } from './gateway.ts'

export type Finished = { readonly json: unknown; readonly text: string }
export type Scenario = { readonly title: string; readonly run: (options: GatewayOptions) => Promise<Finished> }

/** What `npm run bench -- <name>` knows. */
export const SCENARIOS: Readonly<Record<string, Scenario>> = {
  gateway: {
    title: 'Loopgate against nginx, Portkey, a minimal relay and no gateway at all, on one core each',
    run: async (options) => {
      const json = await gatewayBench(options)
      return { json, text: table(json) }
    },
  },
}
