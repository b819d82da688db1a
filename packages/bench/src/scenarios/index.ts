import { admissionTable } from '../report/admission-table.ts'
import { coalescingTable } from '../report/coalescing-table.ts'
import { hostileTable } from '../report/hostile-table.ts'
import { leavingTable } from '../report/leaving-table.ts'
import { sandboxTable } from '../report/sandbox-table.ts'
import { table } from '../report/table.ts'
import { tenantsTable } from '../report/tenants-table.ts'
import { admissionBench } from './admission.ts'
import { coalescingBench } from './coalescing.ts'
import { gatewayBench, type GatewayOptions } from './gateway.ts'
import { hostileBench } from './hostile.ts'
import { overloadTable } from '../report/overload-table.ts'
import { neighboursTable } from '../report/neighbours-table.ts'
import { neighboursBench } from './neighbours.ts'
import { leavingBench } from './leaving.ts'
import { overloadBench } from './overload.ts'
import { sandboxBench } from './sandbox.ts'
import { tenantsBench } from './tenants.ts'

type Finished = { readonly json: unknown; readonly text: string }
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
  coalescing: {
    title: 'equal calls at one moment, 1 to 5,000 callers over 1 to 4 replicas, with and without coalescing',
    run: async (options) => {
      const json = await coalescingBench(options)
      return { json, text: coalescingTable(json) }
    },
  },
  admission: {
    title: "500 loops at the provider's limits: what gets done with Loopgate, and with clients that try again",
    run: async (options) => {
      const json = await admissionBench(options)
      return { json, text: admissionTable(json) }
    },
  },
  tenants: {
    title: 'whether a tenant can tell by the time of an answer that another has asked for it: a rank-sum test',
    run: async (options) => {
      const json = await tenantsBench(options)
      return { json, text: tenantsTable(json) }
    },
  },
  neighbours: {
    title: 'what a tenant waits for while another asks for many times its quota',
    run: async (options) => {
      const json = await neighboursBench(options)
      return { json, text: neighboursTable(json) }
    },
  },
  overload: {
    title: 'what is still done in time when up to four times as much is asked for as can be done',
    run: async (options) => {
      const json = await overloadBench(options)
      return { json, text: overloadTable(json) }
    },
  },
  leaving: {
    title: 'how soon the upstream is left alone when all callers of a generation have gone',
    run: async (options) => {
      const json = await leavingBench(options)
      return { json, text: leavingTable(json) }
    },
  },
  sandbox: {
    title: 'a trivial program in each tier and language, against bare interpreters and a bubblewrap started by hand',
    run: async (options) => {
      const json = await sandboxBench(options)
      return { json, text: sandboxTable(json) }
    },
  },
  hostile: {
    title: 'how soon a small program is served while hostile ones run beside it, in each tier',
    run: async (options) => {
      const json = await hostileBench(options)
      return { json, text: hostileTable(json) }
    },
  },
}
