import type { Test } from 'tap'
import type { bench } from '../kit.ts'
import { lossyWay } from '@loopgate/testkit/lossy-way'
import { onNetwork } from '../net-kit.ts'

type Replica = Awaited<ReturnType<typeof bench>>['replica']

/** Places where a replica runs; one that is killed is followed by another. */
export async function createSites(
  t: Test,
  { replica, redisUrl, upstreamUrl }: { replica: Replica; redisUrl: string; upstreamUrl: string },
  count: number,
) {
  const start = async () => {
    const [redis, upstream] = [await lossyWay(t, redisUrl), await lossyWay(t, upstreamUrl)]
    const { generations } = replica({ redisUrl: redis.url, upstreamUrl: upstream.url })
    const network = await onNetwork(t, generations)
    return {
      ...network,
      /** As by SIGKILL: nothing of it reaches anybody any more, and nobody is told. */
      die() {
        for (const one of [redis, upstream]) one.hangUp()
        network.shut()
        void generations.close()
      },
    }
  }
  const running = await Promise.all(Array.from({ length: count }, start))
  return {
    at: (index: number) => running[index]!,
    async kill(index: number): Promise<void> {
      running[index]?.die()
      running[index] = await start()
    },
  }
}
