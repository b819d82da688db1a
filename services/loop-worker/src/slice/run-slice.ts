import type { Client } from '@loopgate/client'
import { createState, step, type LoopCommand, type LoopEngineEvent } from '@loopgate/loop-engine'
import type { Acquired, LoopNotice, LoopStore } from '@loopgate/loop-store'
import type { Clock, Logger } from '@loopgate/service-kit'
import type { SliceOutcome, WorkerMetrics } from '../metrics.ts'
import type { Verdicts } from '../verdicts.ts'
import { createCalls } from './calls.ts'
import { createCommitter } from './committer.ts'

export type SliceDeps = {
  readonly store: LoopStore
  readonly client: Client
  readonly clock: Clock
  readonly logger: Logger
  readonly metrics: WorkerMetrics
  readonly verdicts: Pick<Verdicts, 'write'>
  readonly random: () => number
}

export type SliceOptions = {
  /** Quantum after which the loop yields, at the end of a wave. */
  readonly sliceMs: number
  /** Aborted when the worker is to end: the slice yields after its wave. */
  readonly draining: AbortSignal
  /** Aborted when the worker must end now: the slice yields with what is committed. */
  readonly halting: AbortSignal
}

/**
 * Generations that an accepted loop no longer needs are let finish, since they are paid for and
 * will be free for the next run; but a slice does not hold its place longer than this for them.
 */
const STRAGGLERS_MS = 10_000

/** Node fires a longer timer at once. No slice lasts 24 days. */
const MAX_TIMER_MS = 2 ** 31 - 1

/**
 * Starts without a single committed iteration before a loop is given up: it may be what kills its
 * workers. Orderly stops of a worker count too, so it is many.
 */
export const MAX_BARREN_ACQUIRES = 20

/**
 * Runs one slice of a loop: what the engine asks for, until the quantum is spent or the loop ends.
 * @throws what is a bug or a refusal of Redis; the slice may then be run again
 */
export async function runSlice(
  deps: SliceDeps,
  loopId: string,
  lost: AbortSignal,
  options: SliceOptions,
): Promise<SliceOutcome> {
  const { store } = deps
  // Listened to before the loop is read: a cancellation in between would never be heard of.
  let heard = (_notice: LoopNotice): void => {}
  const deafen = await store.onEvents(loopId, (notice) => heard(notice))
  try {
    const acquired = await store.acquire(loopId)
    if (acquired === null) return 'done'
    if (acquired.barrenAcquires > MAX_BARREN_ACQUIRES) {
      const reason = `the loop was started ${MAX_BARREN_ACQUIRES} times without judging one iteration`
      await store.commit(loopId, acquired.fence, {
        iterations: [],
        waveEnd: acquired.snapshot.waveEnd,
        transition: { state: 'failed', reason },
      })
      return 'done'
    }
    return await drive(deps, loopId, acquired, lost, options, (listener) => (heard = listener))
  } finally {
    deafen()
  }
}

async function drive(
  { store, client, clock, metrics, verdicts, random }: SliceDeps,
  loopId: string,
  { fence, snapshot }: Acquired,
  lost: AbortSignal,
  { sliceMs, draining, halting }: SliceOptions,
  listen: (listener: (notice: LoopNotice) => void) => void,
): Promise<SliceOutcome> {
  const { view, committed, waveEnd, promptTokens, seen } = snapshot
  const { request, counts } = view
  const end = Promise.withResolvers<SliceOutcome>()
  end.promise.catch(() => {})

  let state = createState({
    request,
    committed,
    waves: counts.waves,
    waveEnd,
    spentTokens: counts.tokens,
    promptTokens,
    seen,
  })
  const send = (event: LoopEngineEvent): void => {
    const next = step(state, event)
    state = next.state
    for (const command of next.commands) obey(command)
  }
  const keys = new Map<number, string>()
  const located = (sampleIndex: number, key: string): void => void keys.set(sampleIndex, key)
  const calls = createCalls({ client, clock, metrics, random, located, send, broken: end.reject }, loopId, request)
  const committer = createCommitter(store, loopId, fence, {
    committed: (commit, { result, state }) => {
      if (result !== 'ok') return end.resolve('lost')
      for (const { record } of commit.iterations) {
        const { sampleIndex, verdict } = record
        metrics.judged(verdict)
        const key = keys.get(sampleIndex)
        keys.delete(sampleIndex)
        if (key !== undefined && verdict !== 'error') verdicts.write({ key, verdict, loopId })
      }
      if (commit.transition !== undefined) end.resolve('done')
      else if (state === 'stopping') send({ type: 'cancel' })
    },
    broken: end.reject,
  })
  const obey = (command: LoopCommand): void => {
    if (command.type === 'commit') committer.push(command.commit)
    else if (command.type === 'abort') calls.abort(command.ids)
    else if (command.type === 'yield') void committer.flushed().then(() => end.resolve('yield'))
    else calls.start(command)
  }

  const cancelled = async (): Promise<void> => {
    if ((await store.get(loopId))?.view.state === 'stopping') send({ type: 'cancel' })
  }
  listen((notice) => {
    if (notice?.state === 'stopping') send({ type: 'cancel' })
    else if (notice === null) cancelled().catch(end.reject)
  })

  const releases = [
    clock.after(sliceMs, () => send({ type: 'yield' })),
    onAbort(draining, () => send({ type: 'yield' })),
    onAbort(halting, () => send({ type: 'stop' })),
    onAbort(lost, () => end.resolve('lost')),
  ]
  if (request.budget.seconds !== undefined) {
    // Wall time from the first start, over all slices and pauses.
    const leftMs = snapshot.startedAtMs + request.budget.seconds * 1000 - clock.wallNow()
    if (leftMs <= MAX_TIMER_MS) releases.push(clock.after(Math.max(0, leftMs), () => send({ type: 'deadline' })))
  }

  try {
    send({ type: view.state === 'stopping' ? 'cancel' : 'start' })
    const outcome = await end.promise
    if (outcome === 'done') await drainCalls(calls, clock, draining)
    return outcome
  } finally {
    releases.forEach((release) => release())
    calls.abortAll()
  }
}

async function drainCalls(calls: ReturnType<typeof createCalls>, clock: Clock, draining: AbortSignal): Promise<void> {
  const late = new AbortController()
  const cancel = clock.after(STRAGGLERS_MS, () => late.abort())
  const release = onAbort(draining, () => late.abort())
  await calls.drain(late.signal)
  cancel()
  release()
}

/** Calls `action` once the signal is aborted, at once if it is already. Returns its release. */
function onAbort(signal: AbortSignal, action: () => void): () => void {
  if (signal.aborted) queueMicrotask(action)
  signal.addEventListener('abort', action, { once: true })
  return () => signal.removeEventListener('abort', action)
}
