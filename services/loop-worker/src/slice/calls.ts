import { ApiError, type ChatReply, type Client } from '@loopgate/client'
import type { LoopRequest } from '@loopgate/contracts'
import {
  completionBody,
  executionInput,
  judge,
  promptTokensBound,
  type Answer,
  type Judgement,
  type LoopCommand,
  type LoopEngineEvent,
} from '@loopgate/loop-engine'
import type { Clock } from '@loopgate/service-kit'
import type { WorkerMetrics } from '../metrics.ts'
import { delayBefore, faultOf } from './faults.ts'

type Asked = Extract<LoopCommand, { id: number }>

export type Calls = {
  readonly start: (command: Asked) => void
  readonly abort: (ids: Iterable<number>) => void
  /** Gives up what waits to be tried again, then waits for the generations under way; what is left then is given up. */
  readonly drain: (until: AbortSignal) => Promise<void>
  readonly abortAll: () => void
}

export type CallsDeps = {
  readonly client: Client
  readonly clock: Clock
  readonly metrics: WorkerMetrics
  readonly random: () => number
  /** Told where in the cache the generation of a sample is, before its answer. */
  readonly located: (sampleIndex: number, key: string) => void
  /** Told of every answer, but for calls that were aborted. */
  readonly send: (event: LoopEngineEvent) => void
  /** Told of what is a bug and no fault. */
  readonly broken: (error: unknown) => void
}

type Call = { readonly controller: AbortController; waiting: boolean; readonly ended: Promise<void> }

/** The calls of one slice to the gateway. */
export function createCalls(deps: CallsDeps, loopId: string, request: LoopRequest): Calls {
  const { client, clock, metrics, random, located, send, broken } = deps
  const calls = new Map<number, Call>()

  const body = completionBody(request)
  const generate = async (sampleIndex: number, signal: AbortSignal): Promise<Answer> => {
    const reply = await client.completions.chat(body, { sampleIndex, loopId, signal })
    if (reply.key !== null) located(sampleIndex, reply.key)
    return toAnswer(request, reply)
  }

  const execute = async (code: string, signal: AbortSignal): Promise<Judgement> => {
    try {
      const result = await client.executions.run(executionInput(request, code), { loopId, signal })
      const judgement = judge(request.checks, result)
      if (judgement !== null) return judgement
      throw new ApiError({
        status: 200,
        code: 'internal_error',
        message: `the runner failed: ${result.message ?? 'it does not say why'}`,
        retryable: true,
      })
    } catch (error) {
      // The one refusal that is the candidate's own doing.
      if (!(error instanceof ApiError) || error.status !== 413) throw error
      return { outcome: 'compile_error', verdict: 'fail', evidence: 'The candidate is larger than the gateway takes' }
    }
  }

  const run = async (command: Asked, call: Call): Promise<void> => {
    const { id, attempt, retryAfterMs } = command
    const { signal } = call.controller
    try {
      await pause(clock, delayBefore(attempt, retryAfterMs, random), signal)
      if (signal.aborted) return
      call.waiting = false
      const event: LoopEngineEvent =
        command.type === 'generate'
          ? { type: 'generated', id, answer: await generate(command.sampleIndex, signal) }
          : { type: 'executed', id, judgement: await execute(command.code, signal) }
      if (!signal.aborted) send(event)
    } catch (error) {
      if (signal.aborted) return
      const { label, ...fault } = faultOf(error)
      metrics.fault(command.type, label)
      send({ type: 'fault', id, fault })
    }
  }

  const abort = (ids: Iterable<number>): void => {
    for (const id of ids) calls.get(id)?.controller.abort()
  }

  return {
    start: (command) => {
      const { promise: ended, resolve } = Promise.withResolvers<void>()
      const call: Call = { controller: new AbortController(), waiting: true, ended }
      calls.set(command.id, call)
      run(command, call)
        .catch(broken)
        .finally(() => {
          calls.delete(command.id)
          resolve()
        })
    },
    abort,
    abortAll: () => abort(calls.keys()),
    drain: async (until) => {
      for (const call of calls.values()) if (call.waiting) call.controller.abort()
      const over = Promise.withResolvers<void>()
      const stop = (): void => over.resolve()
      until.addEventListener('abort', stop, { once: true })
      if (until.aborted) stop()
      await Promise.race([Promise.all([...calls.values()].map(({ ended }) => ended)), over.promise])
      until.removeEventListener('abort', stop)
      abort(calls.keys())
    },
  }
}

/** Without usage in the reply the whole reservation is taken to be spent: a budget must not be passed for want of a figure. */
function toAnswer(request: LoopRequest, { body, cache }: ChatReply): Answer {
  const choice = body.choices[0]
  const most = request.sampling.maxCompletionTokens
  return {
    text: choice?.message.content ?? '',
    finishReason: choice?.finish_reason ?? null,
    cache,
    completionTokens: body.usage?.completion_tokens ?? most,
    totalTokens: body.usage?.total_tokens ?? most + promptTokensBound(request),
  }
}

function pause(clock: Clock, ms: number, signal: AbortSignal): Promise<void> {
  if (ms <= 0) return Promise.resolve()
  return new Promise((resolve) => {
    const done = (): void => {
      cancel()
      signal.removeEventListener('abort', done)
      resolve()
    }
    const cancel = clock.after(ms, done)
    signal.addEventListener('abort', done, { once: true })
  })
}
