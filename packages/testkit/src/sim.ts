import { systemClock, type Clock } from '@loopgate/service-kit'
import {
  createSimulator,
  DEFAULT_CONFIG,
  type FaultSpec,
  type SimulatorConfig,
  type Stats,
} from '@loopgate/cerebras-sim'
import type { TestScope } from './redis.ts'

export type SimulatorOptions = Partial<SimulatorConfig> & { readonly clock?: Clock }

export type TestSimulator = {
  /** Origin, e.g. `http://127.0.0.1:41234`; OpenAI clients append `/v1`. */
  readonly url: string
  /** A key it accepts. */
  readonly apiKey: string
  readonly stats: () => Promise<Stats>
  /** Sets one fault or several for coming requests: see services/cerebras-sim/src/faults/spec.ts. */
  readonly faults: (spec: FaultSpec | readonly FaultSpec[]) => Promise<void>
  readonly clearFaults: () => Promise<void>
  /** Zeroes the stats. */
  readonly reset: () => Promise<void>
  /** Closes it now instead of at the end of the test: connections drop, the port refuses. */
  readonly close: () => Promise<void>
}

/** A simulated Cerebras for a test, on a port of its own; closed at the end with whatever streams are open. */
export async function cerebrasSim(t: TestScope, options: SimulatorOptions = {}): Promise<TestSimulator> {
  const { clock = systemClock, ...config } = options
  const app = createSimulator({ ...DEFAULT_CONFIG, ...config }, { clock })
  t.teardown(() => app.close())
  const url = await app.listen({ host: '127.0.0.1', port: 0 })

  const control = async (method: string, path: string, body?: unknown): Promise<unknown> => {
    const reply = await fetch(`${url}/__sim/${path}`, {
      method,
      ...(body === undefined ? {} : { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }),
    })
    if (!reply.ok) throw new Error(`the simulator answered ${reply.status}: ${await reply.text()}`)
    return reply.json()
  }

  return {
    url,
    apiKey: config.keys?.[0] ?? 'csk-test-key',
    stats: async () => (await control('GET', 'stats')) as Stats,
    faults: async (spec) => {
      await control('POST', 'faults', spec)
    },
    clearFaults: async () => {
      await control('DELETE', 'faults')
    },
    reset: async () => {
      await control('POST', 'reset')
    },
    close: () => app.close(),
  }
}
