import { type PriceList, readPublished } from '@loopgate/limits'
import type { Clock, Logger } from '@loopgate/service-kit'

/** The catalogue in the code holds meanwhile, and a start is busy enough. */
const FIRST_MS = 60_000
/** Prices change with weeks' notice. */
const EVERY_MS = 3_600_000

/**
 * Takes over the prices that the upstream publishes, every hour. An upstream that publishes none, as
 * most do, or does not answer leaves the prices as they are.
 */
export function refreshPrices({
  prices,
  publicModels,
  clock,
  logger,
}: {
  prices: Pick<PriceList, 'learn'>
  publicModels: () => Promise<Buffer>
  clock: Clock
  logger: Logger
}): { stop: () => void } {
  let stop = clock.after(FIRST_MS, refresh)
  let stopped = false

  return {
    stop() {
      stopped = true
      stop()
    },
  }

  function refresh(): void {
    void publicModels()
      .then((listing) => prices.learn(readPublished(listing)))
      .catch((error: unknown) => logger.debug({ err: error }, 'the upstream publishes no prices'))
      .finally(() => {
        if (!stopped) stop = clock.after(EVERY_MS, refresh)
      })
  }
}
