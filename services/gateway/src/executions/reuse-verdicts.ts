import type { VerdictStore } from '@loopgate/execution-store'
import { Counter, newId, type Registry } from '@loopgate/service-kit'
import { offersOf, type RunnerHub } from '../runners/hub.ts'
import type { Executions } from './dispatcher.ts'

const LOOKUPS = ['hit', 'miss', 'bypass'] as const

/**
 * The same executions, less those whose verdict is known: the same request under the same version of
 * its runtime. What is known is no execution and counts as none.
 */
export function reuseVerdicts(
  executions: Executions,
  { verdicts, hub, registry }: { verdicts: VerdictStore; hub: Pick<RunnerHub, 'runners'>; registry: Registry },
): Executions {
  const lookups = new Counter({
    name: 'loopgate_verdict_lookups_total',
    help: 'Executions with checks: verdict known (hit), not known (miss), not asked for (bypass)',
    labelNames: ['result'],
    registers: [registry],
  })
  for (const result of LOOKUPS) lookups.inc({ result }, 0)

  return {
    ...executions,
    async run(order) {
      const { tenant, request, reuse = 'use' } = order
      if (!verdicts.takes(request)) return executions.run(order)
      if (reuse === 'use') {
        const versions = new Set<string>()
        for (const { connection } of hub.runners()) {
          if (!offersOf(connection.info, request.isolation, request.language)) continue
          const spoken = connection.info.languages.find(({ language }) => language === request.language)
          if (spoken !== undefined) versions.add(spoken.version)
        }
        const known = await verdicts.recall(tenant, request, [...versions])
        lookups.inc({ result: known === null ? 'miss' : 'hit' })
        if (known !== null) return { ...known, id: order.id ?? newId('exec'), queueMs: 0, cached: true }
      } else lookups.inc({ result: 'bypass' })
      const result = await executions.run(order)
      // The caller has the result already while it is being kept.
      if (reuse !== 'ignore') void verdicts.keep(tenant, request, result)
      return result
    },
  }
}
