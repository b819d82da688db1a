import { executionRequestSchema, type ExecutionResult, type GatewayFrame } from '@loopgate/contracts'
import { createRegistry, type LoopgateError } from '@loopgate/service-kit'
import { manualClock } from '@loopgate/testkit/clock'
import * as fc from 'fast-check'
import t from 'tap'
import { createExecutions } from '../src/executions/dispatcher.ts'
import { attached, type Runner, type RunnerEvents, type RunnerHub } from '../src/runners/hub.ts'
import { resultOf, runnerInfo } from './kit/runner.ts'

const QUEUE_MS = 1_000
const QUEUE_MAX = 6
const REQUEST = executionRequestSchema.parse({ language: 'python', files: [{ path: 'a', content: '' }] })

const order = (tenant: string, bytes = 100, signal = new AbortController().signal) => ({
  tenant,
  request: REQUEST,
  bytes,
  signal,
})

type Fake = Runner & { readonly frames: GatewayFrame[] }

/** A hub without sockets: the property moves everything by hand. */
function fakeHub() {
  const runners: Fake[] = []
  let events: RunnerEvents | undefined
  const hub: RunnerHub & { bind: (bound: RunnerEvents) => void } = {
    bind(bound) {
      events = bound
    },
    accept() {},
    runners: () => runners,
    views: () => [],
    offers: (tier) => runners.some(({ connection }) => connection.info.tiers.includes(tier)),
    size: () => runners.length,
    retire: () => null,
    setPeers() {},
    drain() {},
    close() {},
  }
  const attach = (id: string, slots: number): void => {
    const frames: GatewayFrame[] = []
    const connection = {
      info: runnerInfo({ runnerId: id, slots }),
      protocol: '2.0',
      connectedAt: new Date(0),
      send: (frame: GatewayFrame) => void frames.push(frame),
      queuedBytes: () => 0,
      close() {},
    }
    const runner: Fake = { ...attached(connection), frames }
    runners.push(runner)
    events?.onAttached(runner)
  }
  const crash = (runner: Fake): void => {
    runners.splice(runners.indexOf(runner), 1)
    events?.onLost(runner, 'crash')
  }
  return { hub, runners, attach, crash, events: () => events as RunnerEvents }
}

type Caller = { leave: AbortController; ends: number; code: string | null; result: string | null }

async function follow(execution: Promise<ExecutionResult>, caller: Caller): Promise<void> {
  try {
    caller.result = (await execution).stdout
  } catch (error) {
    caller.code = (error as LoopgateError).code
  }
  caller.ends += 1
}

type Action = {
  kind:
    | 'run'
    | 'attach'
    | 'crash'
    | 'accept'
    | 'busy'
    | 'result'
    | 'fault'
    | 'refuse'
    | 'repeat'
    | 'abort'
    | 'wait'
    | 'drainRunner'
  a: number
  b: number
}
const action: fc.Arbitrary<Action> = fc.record({
  kind: fc.constantFrom(
    ...(['run', 'run', 'run', 'attach', 'crash', 'accept', 'busy', 'result', 'result', 'repeat'] as const),
    ...(['abort', 'wait', 'drainRunner', 'fault', 'refuse'] as const),
  ),
  a: fc.nat(20),
  b: fc.nat(20),
})

const nameTenant = (tenant: string) => `name of ${tenant}`

t.test('whatever callers and runners do, each execution ends once, no slot is given twice and none leaks', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(action, { minLength: 20, maxLength: 120 }), async (actions) => {
      const clock = manualClock()
      const world = fakeHub()
      const registry = createRegistry({ processMetrics: false })
      const executions = createExecutions(
        { hub: world.hub, clock, registry },
        { queueMs: QUEUE_MS, queueMax: QUEUE_MAX, nameTenant },
      )
      const sum = async (name: string): Promise<number> =>
        (await registry.getSingleMetric(name)!.get()).values.reduce((total, { value }) => total + value, 0)
      const callers: Caller[] = []
      /** Executions by their id, as the runners know them, with the number of results told for each. */
      const told = new Map<string, string[]>()
      const open = (runner: Fake) => runner.frames.filter((frame) => frame.type === 'execute')
      const at = <T>(list: readonly T[], index: number): T | undefined => list[index % (list.length || 1)]

      for (const { kind, a, b } of actions) {
        const runner = at(world.runners, a)
        const frame = runner && at(open(runner), b)
        if (kind === 'run') {
          const caller: Caller = { leave: new AbortController(), ends: 0, code: null, result: null }
          callers.push(caller)
          void follow(executions.run(order(`tenant-${a % 3}`, 100, caller.leave.signal)), caller)
        } else if (kind === 'attach' && world.runners.length < 4) {
          // Sometimes the same name again, as after a short cut.
          if (world.runners.every(({ id }) => id !== `runner-${a % 4}`)) world.attach(`runner-${a % 4}`, (b % 3) + 1)
        } else if (kind === 'crash' && runner) world.crash(runner)
        else if (kind === 'drainRunner' && runner) runner.draining = true
        else if (kind === 'abort') at(callers, a)?.leave.abort()
        else if (kind === 'wait') clock.advance(b * 60)
        else if (runner && frame) {
          const { leaseId, executionId } = frame
          if (kind === 'accept') world.events().onFrame(runner, { type: 'accepted', leaseId })
          else if (kind === 'busy' || kind === 'refuse') {
            runner.frames.splice(runner.frames.indexOf(frame), 1)
            if (kind === 'busy') world.events().onFrame(runner, { type: 'busy', leaseId })
            else world.events().onFrame(runner, { type: 'refused', leaseId, reason: 'unknown field' })
          } else {
            if (kind !== 'repeat') runner.frames.splice(runner.frames.indexOf(frame), 1)
            const stdout = `${leaseId}/${kind}`
            told.set(executionId, [...(told.get(executionId) ?? []), stdout])
            world.events().onFrame(runner, {
              type: 'result',
              leaseId,
              result: resultOf({ stdout }, kind === 'fault' ? 'internal_error' : 'ok'),
            })
          }
        }
        await new Promise((resolve) => queueMicrotask(() => queueMicrotask(() => resolve(null))))
        const offered = new Set<string>()
        for (const fake of world.runners) {
          const { leases, connection } = fake
          if (leases.size > connection.info.slots) throw new Error('more leases than slots')
          if (leases.size > open(fake).length) throw new Error('a lease that the runner has ended holds a slot')
          for (const { executionId } of open(fake)) offered.add(executionId)
        }
        const ended = callers.filter(({ ends }) => ends > 0).length
        if (callers.length - ended > offered.size + (await sum('loopgate_executions_waiting'))) {
          throw new Error('an execution neither waits nor runs')
        }
        const counted = (await sum('loopgate_executions_total')) + (await sum('loopgate_execution_errors_total'))
        if (counted !== ended) throw new Error(`${ended} executions ended and ${counted} were counted`)
      }

      // Everybody goes home: nothing may be left over.
      for (let [runner] = world.runners; runner !== undefined; [runner] = world.runners) world.crash(runner)
      clock.advance(10 * QUEUE_MS + 200_000)
      await new Promise((resolve) => setImmediate(resolve))
      for (const { ends, code, result } of callers) {
        if (ends !== 1) throw new Error(`an execution ended ${ends} times`)
        if (result !== null && ![...told.values()].flat().includes(result)) throw new Error('a result out of nothing')
        if (code === 'LG_INTERNAL') throw new Error('an internal error')
      }
      const results = callers.flatMap(({ result }) => (result === null ? [] : [result.split('/')[0]]))
      if (new Set(results).size !== results.length) throw new Error('one lease ended two executions')

      // And the next one finds an empty house.
      world.attach('last', 1)
      const last = executions.run(order('tenant-0'))
      const [offered] = open(world.runners[0]!)
      if (offered === undefined) throw new Error('a slot leaked')
      world.events().onFrame(world.runners[0]!, { type: 'result', leaseId: offered.leaseId, result: resultOf() })
      await last
    }),
    { numRuns: 400 },
  )
})

t.test('a lease that lapses sends the execution to another runner and tells the first to stop', async (t) => {
  const clock = manualClock()
  const world = fakeHub()
  const executions = createExecutions(
    { hub: world.hub, clock, registry: createRegistry({ processMetrics: false }) },
    { queueMs: QUEUE_MS, queueMax: QUEUE_MAX, nameTenant },
  )
  world.attach('hung', 1)
  const [hung] = world.runners
  const result = executions.run(order('acme'))
  const frame = hung!.frames.find((sent) => sent.type === 'execute')!
  world.events().onFrame(hung!, { type: 'accepted', leaseId: frame.leaseId })
  clock.advance(frame.deadlineMs - 1)
  world.attach('other', 1)
  const other = world.runners[1]!
  t.strictSame(other.frames, [], 'not before the deadline')
  hung!.draining = true
  clock.advance(1)
  t.match(hung!.frames.at(-1), { type: 'cancel', leaseId: frame.leaseId })
  const again = other.frames.find((sent) => sent.type === 'execute')!
  t.equal(again.executionId, frame.executionId)
  world.events().onFrame(other, { type: 'result', leaseId: again.leaseId, result: resultOf({ stdout: 'done' }) })
  t.match(await result, { stdout: 'done', runnerId: 'other' })
})

t.test('waiting requests are bounded in bytes too', async (t) => {
  const world = fakeHub()
  const executions = createExecutions(
    { hub: world.hub, clock: manualClock(), registry: createRegistry({ processMetrics: false }) },
    { queueMs: QUEUE_MS, queueMax: 1000, nameTenant: (tenant) => `name of ${tenant}` },
  )
  const outcomes = await Promise.all(
    Array.from({ length: 40 }, () =>
      Promise.race([
        executions.run(order('acme', 8 * 1024 * 1024)).catch(({ code }: LoopgateError) => code),
        new Promise((resolve) => setImmediate(() => resolve('waits'))),
      ]),
    ),
  )
  t.equal(outcomes.filter((outcome) => outcome === 'waits').length, 32, '256 MiB')
  t.equal(outcomes.filter((outcome) => outcome === 'LG_EXECUTION_QUEUE_FULL').length, 8)
})
