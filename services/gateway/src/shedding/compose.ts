import { getHeapStatistics } from 'node:v8'
import type { Clock } from '@loopgate/service-kit'
import type { Config } from '../config.ts'
import { createDelayReader } from './delay.ts'
import { createGovernor } from './governor.ts'
import { createPressure } from './pressure.ts'
import type { Shedding } from './shedding.ts'

/** How often the memory is looked at. */
const LOOK_MS = 100

type Limits = Pick<Config, 'LOOPGATE_SHED_DELAY_MS' | 'LOOPGATE_SHED_HEAP_PERCENT' | 'LOOPGATE_SHED_BODY_BYTES'>

/** Makes what refuses work while there is too much of it. */
export function composeShedding(clock: Clock, config: Limits): Shedding {
  const bodies = { bytes: 0 }
  const delay = createDelayReader()
  const governor = createGovernor({ clock, loopDelayMs: delay.read }, { limitMs: config.LOOPGATE_SHED_DELAY_MS })
  const limits = { heapShare: config.LOOPGATE_SHED_HEAP_PERCENT / 100, bodyBytes: config.LOOPGATE_SHED_BODY_BYTES }
  const read = () => {
    const { used_heap_size: used, heap_size_limit: limit } = getHeapStatistics()
    return { heapShare: used / limit, bodyBytes: bodies.bytes }
  }
  const pressure = createPressure({ clock, read }, { limits, lookMs: LOOK_MS })

  return {
    pressure,
    governor,
    bodies,
    close() {
      pressure.close()
      governor.close()
      delay.close()
    },
  }
}
