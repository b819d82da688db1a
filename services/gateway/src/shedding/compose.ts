import type { Clock } from '@loopgate/service-kit'
import type { Config } from '../config.ts'
import { createLoadReader } from './load.ts'
import { createPressure, type Load } from './pressure.ts'
import type { Shedding } from './shedding.ts'

/** How often the load is looked at. */
const LOOK_MS = 100

type Limits = Pick<Config, 'LOOPGATE_SHED_DELAY_MS' | 'LOOPGATE_SHED_HEAP_PERCENT' | 'LOOPGATE_SHED_BODY_BYTES'>

/** Makes what refuses work while there is too much of it. */
export function composeShedding(clock: Clock, config: Limits): Shedding {
  const bodies = { bytes: 0 }
  const reader = createLoadReader(() => bodies.bytes)
  const limits: Load = {
    delayMs: config.LOOPGATE_SHED_DELAY_MS,
    heapShare: config.LOOPGATE_SHED_HEAP_PERCENT / 100,
    bodyBytes: config.LOOPGATE_SHED_BODY_BYTES,
  }
  const pressure = createPressure({ clock, read: reader.read }, { limits, lookMs: LOOK_MS })
  return {
    bodies,
    pressure: {
      ...pressure,
      close() {
        pressure.close()
        reader.close()
      },
    },
  }
}
