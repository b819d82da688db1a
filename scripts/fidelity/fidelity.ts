import { createClient } from '@loopgate/client'
import { outcomeSchema, type Isolation } from '@loopgate/contracts'
import type { KnownCase } from '@loopgate/problems'
import type { DevFile } from '../stack/dev-file.ts'
import { judge, type Judged } from './judge.ts'
import { compare, type FidelityReport } from './report.ts'

/**
 * Judges the cases through the gateway of a stack that is up, and compares; tells of the progress.
 * @throws ApiError if the gateway refuses a batch, or cuts one
 */
export async function fidelity(
  { gatewayUrl, apiKey }: Pick<DevFile, 'gatewayUrl' | 'apiKey'>,
  cases: readonly KnownCase[],
  isolation: Isolation,
  tell: (judged: readonly Judged[]) => void = () => {},
): Promise<FidelityReport> {
  const client = createClient({ baseUrl: gatewayUrl, apiKey })
  const counted = async (): Promise<number> => {
    const { sum } = await client.metrics()
    return outcomeSchema.options.reduce((all, outcome) => all + sum('loopgate_executions_total', { outcome }), 0)
  }
  try {
    const before = await counted()
    const begunMs = performance.now()
    const judged: Judged[] = []
    await judge(client, cases, isolation, (one) => {
      judged.push(one)
      tell(judged)
    })
    return compare(judged, (await counted()) - before, performance.now() - begunMs)
  } finally {
    await client.close()
  }
}
