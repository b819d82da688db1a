import { strict as assert } from 'node:assert'
import { loopRequestSchema, type IterationRecord, type LoopInput, type LoopRequest } from '@loopgate/contracts'
import {
  createState,
  step,
  type Answer,
  type EngineCommit,
  type EngineState,
  type EngineTransition,
  type Judgement,
  type LoopCommand,
  type LoopEngineEvent,
  type SeenCandidate,
} from '../src/index.ts'

/** What the model says and what the checks say of it, fixed for a whole test. */
export type World = {
  /** Answer by sample index; no scaffold and no fence, so it is the candidate. */
  readonly texts: readonly string[]
  readonly completionTokens: readonly number[]
  readonly passing: ReadonlySet<string>
  /** The gateway knows every verdict already. */
  readonly known?: true
}

const PROMPT_TOKENS = 40
export const MAX_COMPLETION_TOKENS = 100
export const MAX_FAULTS = 3

export function loopRequest(changes: Partial<Omit<LoopInput, 'sampling'>> & { fanOut?: number } = {}): LoopRequest {
  const { fanOut = 8, ...rest } = changes
  return loopRequestSchema.parse({
    goal: 'Add two numbers.',
    language: 'python',
    checks: [{ id: 'tests', entryPoint: 'add', source: 'def check(candidate): assert candidate(1, 2) == 3' }],
    sampling: { model: 'm', maxCompletionTokens: MAX_COMPLETION_TOKENS, fanOut },
    budget: { iterations: 25 },
    ...rest,
  })
}

export const answer = (world: World, sampleIndex: number): Answer => {
  const completionTokens = world.completionTokens[sampleIndex] ?? 10
  return {
    text: world.texts[sampleIndex] ?? '',
    finishReason: 'stop',
    cache: 'miss',
    completionTokens,
    totalTokens: completionTokens + PROMPT_TOKENS,
  }
}

const judgement = (world: World, code: string): Judgement => ({
  ...(world.passing.has(code)
    ? { outcome: 'ok', verdict: 'pass', evidence: '' }
    : { outcome: 'ok', verdict: 'fail', evidence: `not ${code}` }),
  ...(world.known === true && { known: true }),
})

type Asked = Extract<LoopCommand, { id: number }>

/** What is in the store: all that survives a crash. */
export type Stored = {
  records: IterationRecord[]
  executed: number
  waveEnd: number
  transition: EngineTransition | null
}

/**
 * Drives the engine as a worker would, with the order of everything left to the caller; and checks
 * on the way what must hold in any order.
 */
export class Run {
  readonly request: LoopRequest
  readonly world: World
  readonly stored: Stored = { records: [], executed: 0, waveEnd: 0, transition: null }
  readonly outstanding = new Map<number, Asked>()
  readonly settled: number[] = []
  /** Tokens by sample index of every generation that was ever started: a repetition is a cache hit. */
  readonly paidTokens = new Map<number, number>()
  readonly positions = new Map<number, number>()
  state: EngineState
  yielded = false

  constructor(request: LoopRequest, world: World) {
    this.request = request
    this.world = world
    this.state = this.resume()
  }

  /** The state of a new slice: what a worker knows after a crash of the one before. */
  resume(): EngineState {
    const { records, waveEnd } = this.stored
    const seen = new Map<string, SeenCandidate>()
    for (const { candidateSha256, duplicateOf, iteration, outcome, verdict, evidence } of records) {
      if (duplicateOf === null) seen.set(candidateSha256, { iteration, outcome, verdict, evidence })
    }
    const last = records.at(-1)
    this.outstanding.clear()
    this.settled.length = 0
    this.yielded = false
    this.state = createState(
      {
        request: this.request,
        committed: records.length,
        waves: last?.wave ?? 0,
        waveEnd,
        spentTokens: records.reduce((sum, { totalTokens }) => sum + totalTokens, 0),
        promptTokens: last === undefined ? 0 : last.totalTokens - last.completionTokens,
        seen,
      },
      { maxFaults: MAX_FAULTS },
    )
    this.send({ type: 'start' })
    return this.state
  }

  get over(): boolean {
    return this.stored.transition !== null
  }

  send(event: LoopEngineEvent): void {
    const { state, commands } = step(this.state, event)
    this.state = state
    for (const command of commands) this.#obey(command)
  }

  /** Answers an outstanding command as the world has it. */
  deliver(id: number): void {
    const command = this.#settle(id)
    if (command.type === 'generate') {
      this.send({ type: 'generated', id, answer: answer(this.world, command.sampleIndex) })
    } else {
      this.send({ type: 'executed', id, judgement: judgement(this.world, command.code) })
    }
  }

  fail(id: number, final = false): void {
    this.#settle(id)
    this.send({ type: 'fault', id, fault: { reason: 'away', final, retryAfterMs: null } })
  }

  /** Says again what was said, or what nobody wants any more: nothing may come of it. */
  repeat(id: number): void {
    const before = this.state
    for (const event of [
      { type: 'generated', id, answer: answer(this.world, 0) },
      { type: 'executed', id, judgement: { outcome: 'ok', verdict: 'pass', evidence: '' } },
      { type: 'fault', id, fault: { reason: 'late', final: true, retryAfterMs: null } },
    ] as const) {
      const { state, commands } = step(this.state, event)
      assert.equal(commands.length, 0)
      assert.equal(state, before)
    }
  }

  #settle(id: number): Asked {
    const command = this.outstanding.get(id)
    assert(command)
    this.outstanding.delete(id)
    this.settled.push(id)
    return command
  }

  #obey(command: LoopCommand): void {
    switch (command.type) {
      case 'generate': {
        const { id, iteration, sampleIndex } = command
        assert(!this.outstanding.has(id) && !this.settled.includes(id), 'an id is used once')
        this.outstanding.set(id, command)
        assert.equal(this.positions.get(iteration) ?? sampleIndex, sampleIndex, 'a position never changes')
        this.positions.set(iteration, sampleIndex)
        this.paidTokens.set(sampleIndex, answer(this.world, sampleIndex).totalTokens)
        return
      }
      case 'execute': {
        for (const other of this.outstanding.values()) {
          assert(other.type !== 'execute' || other.sha256 !== command.sha256, 'a candidate is not run twice at once')
        }
        const judged = this.stored.records.some(({ candidateSha256 }) => candidateSha256 === command.sha256)
        assert(!judged, 'a candidate is not run again once it is judged')
        this.outstanding.set(command.id, command)
        return
      }
      case 'abort':
        for (const id of command.ids) this.#settle(id)
        return
      case 'commit':
        this.#commit(command.commit)
        return
      case 'yield':
        this.yielded = true
    }
  }

  #commit({ iterations, waveEnd, transition }: EngineCommit): void {
    assert.equal(this.stored.transition, null, 'nothing is committed after the end')
    for (const { record, executed } of iterations) {
      assert.equal(record.iteration, this.stored.records.length + 1, 'iterations are dense and in order')
      this.stored.records.push(record)
      this.stored.executed += executed ? 1 : 0
      this.stored.waveEnd = waveEnd
    }
    this.stored.transition = transition ?? null
  }
}

/** The run in which everything is answered at once, in the order asked. */
export function inOrder(request: LoopRequest, world: World): Stored {
  const run = new Run(request, world)
  while (!run.over) {
    const [id] = run.outstanding.keys()
    assert(id !== undefined, 'a loop that is not over waits for something')
    run.deliver(id)
  }
  return run.stored
}
