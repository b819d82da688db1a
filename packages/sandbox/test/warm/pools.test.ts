import { createLogger } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import { limitsSchema } from '@loopgate/contracts'
import { assert as fcAssert, asyncProperty, array, constantFrom } from 'fast-check'
import t from 'tap'
import type { BootedJail, Jail, JailBoot, JailEnd, JailSpec } from '../../src/jail/jail.ts'
import type { Runtime } from '../../src/languages/runtime.ts'
import { createDemand } from '../../src/warm/demand.ts'
import { NO_RUNTIME } from '../support/runtime.ts'
import { createWarmPools } from '../../src/warm/pools.ts'

const LIMITS = limitsSchema.parse({})
const RUNTIME: Runtime = { ...NO_RUNTIME, fixedLimits: ({ diskBytes }) => [diskBytes] }
const spec = (limits: object = {}): JailSpec => ({
  id: 'e',
  runtime: RUNTIME,
  role: 'program',
  limits: { ...LIMITS, ...limits },
  stdin: null,
})

const turn = () => new Promise<void>((resolve) => setImmediate(resolve))

/** Pools over sandboxes that do nothing, with all of them in view. */
function pools(options: { floor?: number; ceiling?: number; cores?: number; refuses?: boolean } = {}) {
  const clock = manualClock()
  const made: Array<{
    boot: JailBoot
    warm: boolean
    up: () => void
    end: () => void
    killed: string[]
    used: number
  }> = []
  const bootJail = (boot: JailBoot, warm: boolean): BootedJail => {
    const ready = Promise.withResolvers<void>()
    const ended = Promise.withResolvers<JailEnd>()
    const end = () => ended.resolve({ stderr: '' } as JailEnd)
    const record = { boot, warm, up: ready.resolve, end, killed: [] as string[], used: 0 }
    made.push(record)
    const kill = (reason: string) => {
      record.killed.push(reason)
      end()
    }
    const jail: Jail = {
      ready: ready.promise,
      open: () => ({ send: () => {} }),
      go: () => {},
      record: null,
      started: () => {},
      ended: ended.promise,
      kill,
    }
    return {
      ready: ready.promise,
      kill,
      ended: ended.promise,
      use: () => {
        if (warm && options.refuses === true) throw new Error('refused')
        record.used += 1
        return jail
      },
    }
  }
  const held = createWarmPools(
    { clock, logger: createLogger('test', 'silent'), bootJail },
    { floor: options.floor ?? 0, ceiling: options.ceiling ?? 4, cores: options.cores ?? 100 },
  )
  const settle = async (ms = 25) => {
    for (let i = 0; i < 4; i++) await turn()
    clock.advance(ms)
    for (let i = 0; i < 4; i++) await turn()
  }
  const waiting = () => made.filter(({ warm, used, killed }) => warm && used === 0 && killed.length === 0)
  return { pools: held, made, clock, settle, waiting }
}

t.test('the floor is held from the start, no more than the ceiling ever, and each is used once', async (t) => {
  const { pools: held, made, settle, waiting } = pools({ floor: 2, ceiling: 3 })
  held.keep(RUNTIME, 'program', LIMITS)
  await settle()
  t.equal(waiting().length, 2)
  for (let i = 0; i < 30; i++) {
    held.startJail(spec())
    await settle()
  }
  t.ok(waiting().length <= 3)
  t.ok(made.every(({ used }) => used <= 1))
  t.equal(
    made.reduce((sum, { used }) => sum + used, 0),
    30,
  )
})

t.test('a burst makes the stock grow to its size, and quiet lets it shrink to the floor', async (t) => {
  const { pools: held, made, settle, waiting } = pools({ floor: 1, ceiling: 8 })
  held.keep(RUNTIME, 'program', LIMITS)
  for (let i = 0; i < 5; i++) held.startJail(spec())
  await settle()
  for (const each of made) each.up()
  await settle()
  t.equal(waiting().length, 5)
  await settle(5_000)
  t.equal(waiting().length, 5, 'the last ten seconds count')
  await settle(7_000)
  t.equal(waiting().length, 1)
  t.equal(held.waiting(), 1)
})

t.test('none is started while the cores have executions to do, and those come up cold', async (t) => {
  const { pools: held, made, settle, waiting } = pools({ floor: 2, cores: 2 })
  const busy = [1, 2, 3].map(() => held.startJail(spec()))
  held.keep(RUNTIME, 'program', LIMITS)
  await settle(3_000)
  t.equal(waiting().length, 0)
  t.equal(made.length, 3)
  for (const jail of busy) jail.kill('finished')
  await settle()
  // One at a time for each core that is free.
  t.equal(waiting().length, 2)
})

t.test('what comes up counts as work until it is up', async (t) => {
  const { pools: held, made, settle, waiting } = pools({ floor: 4, cores: 1 })
  held.keep(RUNTIME, 'program', LIMITS)
  await settle()
  t.equal(waiting().length, 1)
  made[0]?.up()
  await settle()
  t.equal(waiting().length, 2)
})

t.test('one that was started with other fixed limits, or refuses them, is never handed out', async (t) => {
  const { pools: held, made, settle } = pools({ floor: 1 })
  held.keep(RUNTIME, 'program', LIMITS)
  await settle()
  held.startJail(spec({ diskBytes: LIMITS.diskBytes * 2 }))
  t.match(made.at(-1), { warm: false, used: 1 })
  held.startJail(spec({ memoryBytes: LIMITS.memoryBytes * 2 }))
  t.match(made[0], { warm: true, used: 1 }, 'memory is set at hand-out')

  const refusing = pools({ floor: 1, refuses: true })
  refusing.pools.keep(RUNTIME, 'program', LIMITS)
  await refusing.settle()
  refusing.pools.startJail(spec())
  t.match(refusing.made[0], { used: 0, killed: ['fault'] })
  t.match(refusing.made[1], { warm: false, used: 1 })
})

t.test('sandboxes that die while they wait are not started again at once', async (t) => {
  const { pools: held, made, settle } = pools({ floor: 1 })
  held.keep(RUNTIME, 'program', LIMITS)
  await settle()
  made[0]?.end()
  await settle(1_500)
  t.equal(made.length, 1)
  await settle(5_000)
  t.equal(made.length, 2)
})

t.test('many kinds of limits do not hold many sandboxes', async (t) => {
  const { pools: held, settle, waiting } = pools({ floor: 0, ceiling: 6 })
  for (let i = 1; i <= 40; i++) {
    held.startJail(spec({ diskBytes: i << 20 })).kill('finished')
    await settle()
  }
  t.ok(waiting().length <= 6)
  await held.close()
  t.equal(waiting().length, 0)
})

t.test('whatever the order of events, there are no more than the ceiling and nothing is used twice', async (t) => {
  await fcAssert(
    asyncProperty(array(constantFrom('use', 'end', 'up', 'time', 'die'), { maxLength: 40 }), async (events) => {
      const { pools: held, made, settle, waiting } = pools({ floor: 1, ceiling: 3, cores: 3 })
      held.keep(RUNTIME, 'program', LIMITS)
      for (const event of events) {
        if (event === 'use') held.startJail(spec())
        else if (event === 'end') made.findLast(({ used }) => used === 1)?.end()
        else if (event === 'up') for (const each of made) each.up()
        else if (event === 'die') waiting()[0]?.end()
        await settle(event === 'time' ? 6_000 : 25)
        if (held.waiting() > 3 || made.some(({ used }) => used > 1)) return false
      }
      for (const each of made) each.end()
      await held.close()
      return held.waiting() === 0
    }),
    { numRuns: 60 },
  )
  t.pass('held')
})

t.test('demand is the busiest tenth of a second of the last ten', (t) => {
  const demand = createDemand()
  for (const at of [5, 10, 99, 100, 5_000]) demand.note(at)
  t.equal(demand.peak(5_000), 3)
  t.equal(demand.peak(10_050), 1)
  t.equal(demand.peak(60_000), 0)
  t.end()
})
