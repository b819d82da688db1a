import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import * as fc from 'fast-check'
import t from 'tap'
import { ask, bench, call, chunksOf, event, read, streaming } from './kit.ts'
import { onNetwork, until } from './net-kit.ts'

/** Ways in which a call fails before its first byte that another call need not meet. */
const PASSING = {
  'status 503': (call: ScratchCall) => answerJson(call, 503, { message: `no #${call.serial}` }),
  'status 500': (call: ScratchCall) => answerJson(call, 500, { message: `no #${call.serial}` }),
  'a reset before the head': ({ response }: ScratchCall) => response.req.socket.resetAndDestroy(),
  'an error right behind the status': (call: ScratchCall) =>
    call.body['stream'] === true
      ? beginStream(call).end(event({ error: { message: `no #${call.serial}` }, status_code: 503 }))
      : answerJson(call, 503, { message: `no #${call.serial}` }),
}
/** Ways that the same request would meet again, or that ask for time. */
const LASTING = {
  'status 400': (call: ScratchCall) => answerJson(call, 400, { message: `bad #${call.serial}` }),
  'status 401': (call: ScratchCall) => answerJson(call, 401, { message: `who #${call.serial}` }),
  'status 404': (call: ScratchCall) => answerJson(call, 404, { detail: 'Not Found' }),
  'status 429 with a time to wait': (call: ScratchCall) =>
    answerJson(call, 429, { message: `wait #${call.serial}` }, { 'retry-after': '1' }),
  'status 503 with a time to wait': (call: ScratchCall) =>
    answerJson(call, 503, { message: `wait #${call.serial}` }, { 'retry-after': '1' }),
}
type Fault = keyof typeof PASSING | keyof typeof LASTING
const fail = (call: ScratchCall, how: Fault): unknown => ({ ...PASSING, ...LASTING })[how](call)
const passes = (how: string): boolean => Object.hasOwn(PASSING, how)

/** Whether a call is answered with a stream or a document is its leader's wish. */
function answer(call: ScratchCall): void {
  if (call.body['stream'] === true) return streaming([`answer #${call.serial}`])(call)
  const message = { role: 'assistant', content: `answer #${call.serial}` }
  answerJson(call, 200, { id: 'x', choices: [{ index: 0, finish_reason: 'stop', message }] })
}

type Told = { readonly content?: string; readonly code?: string; readonly role?: string; readonly attempts?: number }

for (const how of Object.keys(PASSING) as (keyof typeof PASSING)[]) {
  t.test(`${how}: the one whose call it was is told, one of the others calls again for all of them`, async (t) => {
    const { generations, server, metric } = await bench(t, () => {}, { redis: null })
    const leader = generations.generate(call({ stream: true }))
    const first = await server.call(1)
    const others = Array.from({ length: 20 }, (_, index) => generations.generate(call({ stream: index % 2 === 0 })))
    fail(first, how)
    await t.rejects(leader.ready, { name: 'LoopgateError' })
    const late = generations.generate(call())
    answer(await server.call(2))
    const answers = await Promise.all([...others, late].map(read))
    t.strictSame(new Set(answers.map(({ content }) => content)), new Set(['answer #2']))
    const said = answers.map(({ generation: { outcome, role, attempts } }) => `${outcome} ${role} ${attempts}`)
    t.strictSame(said.sort(), [...Array<string>(20).fill('coalesced follower 0'), 'miss leader 1'])
    t.equal(server.calls.length, 2)
    t.equal(await metric('loopgate_successions_total'), 1)
    t.equal((await ask(generations)).generation.outcome, 'hit')
  })
}

for (const how of Object.keys(LASTING) as (keyof typeof LASTING)[]) {
  t.test(`${how}: nobody calls again, all are told`, async (t) => {
    const { generations, server } = await bench(t, () => {}, { redis: null })
    const tickets = [true, false, true].map((stream) => generations.generate(call({ stream })))
    fail(await server.call(1), how)
    for (const { ready } of tickets) await t.rejects(ready, { name: 'LoopgateError' })
    t.equal(server.calls.length, 1)
  })
}

t.test('nobody calls again after the first byte, nor for a document that was cut', async (t) => {
  const { generations, server } = await bench(t, ({ serial, response, ...call }) => {
    if (serial === 1) beginStream({ serial, response, ...call }).write(Buffer.concat(chunksOf(['x']).slice(0, 2)))
    else response.writeHead(200, { 'content-type': 'application/json', 'content-length': '100' }).write('{"id"')
  })
  const streams = [true, false].map((stream) => generations.generate(call({ stream })))
  await streams[0]?.ready
  ;(await server.call(1)).response.destroy()
  await t.rejects(streams[1]!.ready, { code: 'LG_UPSTREAM_TRUNCATED' })
  const documents = [false, true].map((stream) => generations.generate(call({ stream })))
  ;(await server.call(2)).response.destroy()
  for (const { ready } of documents) await t.rejects(ready, { code: 'LG_UPSTREAM_TRUNCATED' })
  t.equal(server.calls.length, 2)
})

t.test('the deadline of the one whose turn it is refuses nobody who has more time', async (t) => {
  const { generations, server } = await bench(
    t,
    (call) =>
      call.serial === 1 ? answerJson(call, 429, { message: 'wait' }, { 'retry-after-ms': '300' }) : answer(call),
    { scheduling: { deadlineMs: 20_000 } },
  )
  const asked = (seed: number, deadlineMs: number | null) =>
    call({ seed }, { scheduling: { priority: 'loop', flow: 'f', key: 'k', deadlineMs, capsOutput: true } })
  // It makes the bucket wait.
  await t.rejects(ask(generations, asked(1, 1)), { code: 'LG_RATE_LIMITED' })
  const [hasty, ...patient] = [1, 1, null, 10_000].map((deadlineMs) => generations.generate(asked(2, deadlineMs)))
  await t.rejects(hasty!.ready, { code: 'LG_DEADLINE' })
  const [alsoHasty, ...others] = await Promise.allSettled(patient.map(read))
  t.match(alsoHasty, { status: 'rejected', reason: { code: 'LG_DEADLINE' } })
  for (const other of others) t.match(other, { status: 'fulfilled', value: { content: 'answer #2' } })
  t.equal(server.calls.length, 2)
})

t.test('whoever goes on with a stream that failed is told, and calls nobody', async (t) => {
  const { generations, server } = await bench(t, () => {}, { redis: null })
  const leader = generations.generate(call({ stream: true }))
  const first = await server.call(1)
  const { key } = (await ask((await bench(t, streaming(), { redis: null })).generations)).generation
  const resume = { key: key ?? '', after: 0, mark: null }
  const resumed = generations.generate(
    call({ stream: true }, { delivery: { resumable: true, resume, eventsPerSecond: null } }),
  )
  fail(first, 'status 503')
  for (const { ready } of [leader, resumed]) await t.rejects(ready, { code: 'LG_UPSTREAM_ERROR' })
  t.equal(server.calls.length, 1)
})

const pause = fc.constantFrom(0, 1, 3, 20)
const place = fc.record({ at: fc.nat(1), stream: fc.boolean(), pause })
/**
 * Not the error behind a status: the status may have reached the callers of the other replica on its
 * own. Nor a reset: on a connection that was used before, the call itself is sent once more.
 */
const fault = fc.constantFrom<Fault[]>(
  ...([...Object.keys(PASSING), ...Object.keys(LASTING)] as Fault[]).filter((how) => how.startsWith('status')),
)
const story = fc.record({
  leader: place,
  waiting: fc.array(place, { maxLength: 6 }),
  leaving: fc.array(fc.nat(6), { maxLength: 3 }),
  first: fault,
  late: fc.array(place, { maxLength: 2 }),
  second: fc.option(fault, { nil: null, freq: 2 }),
  pause,
})

/** What is promised, unless something else comes first that must not. */
async function unless<T>(other: Promise<unknown>, promised: Promise<T>): Promise<T> {
  const stop = other.then((came) => {
    throw new Error(`instead came ${JSON.stringify(came)}`)
  })
  return await Promise.race([promised, stop])
}

t.test('over two replicas a failed call has one successor exactly, in any interleaving', async (t) => {
  const { generations, replica, server, metric } = await bench(t, () => {}, { memoryBytes: 0, redisTimeoutMs: 10_000 })
  const other = replica()
  const sites = [await onNetwork(t, generations), await onNetwork(t, other.generations)]
  const claims = (result: string) =>
    Promise.all([metric, other.metric].map((read) => read('loopgate_claims_total', `{result="${result}"}`)))
  const turns = async (count: number): Promise<void> => {
    for (let turn = 0; turn < count; turn++) await new Promise(setImmediate)
  }
  let question = 0

  const check = fc.asyncProperty(story, async ({ leader, waiting, leaving, first, late, second, pause }) => {
    // A model of its own: a pause that a fault asks for is one of its model.
    const seed = ++question
    const base = server.calls.length
    const join = ({ at, stream }: { at: number; stream: boolean }) => {
      const ticket = sites[at]!.generations.generate(call({ seed, stream, model: `model-${seed}` }))
      const told: Promise<Told> = read(ticket).then(
        ({ content, text, generation: { role, attempts } }) =>
          text.includes('"finish_reason":"error"') ? { code: text } : { content, role, attempts },
        (error: Error & { code: string }) => ({ code: `${error.code} ${error.message}` }),
      )
      return { at, ticket, told, left: false }
    }
    const followed = () => sites.reduce((sum, { followers }) => sum + followers(), 0)

    const before = followed()
    const leading = join(leader)
    const call1 = await unless(leading.told, server.call(base + 1))
    const others = []
    for (const one of waiting) {
      others.push(join(one))
      await turns(one.pause)
    }
    if (waiting.some(({ at }) => at !== leader.at)) await until(() => followed() > before)
    for (const which of leaving) {
      const one = others[which]
      if (one === undefined || one.left) continue
      one.left = true
      one.ticket.leave()
    }
    const stayed = others.filter(({ left }) => !left)
    await turns(pause)
    fail(call1, first)
    const firstTold = await leading.told
    if (firstTold.code === undefined) throw new Error(`the leader was told ${JSON.stringify(firstTold)}`)

    const again = passes(first) && stayed.length > 0
    if (again) {
      const call2 = await unless(Promise.all(stayed.map(({ told }) => told)), server.call(base + 2))
      // On a replica where nobody waited, whoever comes late has to find the way to the successor first.
      const [sofar, waitedAt] = [followed(), new Set(stayed.map(({ at }) => at))]
      for (const one of late) {
        stayed.push(join(one))
        await turns(one.pause)
      }
      if (late.some(({ at }) => !waitedAt.has(at))) await until(() => followed() > sofar)
      if (second === null) answer(call2)
      else fail(call2, second)
    }
    const told = await Promise.all(stayed.map(({ told }) => told))
    await turns(20)
    const calls = server.calls.length - base
    if (calls !== (again ? 2 : 1)) throw new Error(`${calls} calls`)
    if (again && second === null) {
      for (const { content, attempts, role } of told) {
        if (content !== `answer #${base + 2}`) throw new Error(`an answer of another call: ${content}`)
        if (attempts !== (role === 'leader' ? 1 : 0)) throw new Error(`${role} with ${attempts} attempts`)
      }
      const leaders = told.filter(({ role }) => role === 'leader').length
      if (leaders !== 1) throw new Error(`${leaders} leaders`)
    } else for (const { code } of told) if (code === undefined) throw new Error('an answer out of nowhere')
    if (again)
      for (const { code } of told) if (code?.includes(`#${base + 1}`)) throw new Error(`told of call 1: ${code}`)
  })
  await fc.assert(check, { numRuns: 100 })
  t.ok(
    (await claims('lead')).every((count) => count > 0),
    'both have led',
  )
})
