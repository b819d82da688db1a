import type { AsyncExecution, AsyncState, ExecutionRequest, ExecutionResult, Problem } from '@loopgate/contracts'
import { createGuard } from '@loopgate/loop-store'
import { newId, type Clock } from '@loopgate/service-kit'
import type { Redis } from 'ioredis'
import { cancelChannel, recordKey } from '../keys.ts'
import { runScript } from '../scripts.ts'
import { createCancellations } from './cancellations.ts'

/** Whether a known verdict will do; see the gateway. */
export type Reuse = 'use' | 'renew' | 'ignore'

/** What whoever takes an execution up has to run. */
export type TakenUp = {
  readonly tenant: string
  /** The API key that asked for it, by its id; its limits count. */
  readonly keyId?: string | undefined
  readonly request: ExecutionRequest
  /** What its caller said of known verdicts. */
  readonly reuse: Reuse
  readonly bytes: number
  readonly createdAtMs: number
}

export type Ending =
  | { readonly state: 'ended'; readonly result: ExecutionResult }
  | { readonly state: 'failed'; readonly error: Problem }

/**
 * The asynchronous executions of one Redis. Every method throws LG_STORE_UNAVAILABLE when Redis
 * cannot be reached. May be used by any number of processes at once.
 */
export type ExecutionRecords = {
  readonly create: (order: Pick<TakenUp, 'tenant' | 'keyId' | 'request' | 'reuse'>) => Promise<AsyncExecution>
  /** The execution as its tenant may see it; null for another's and for one that is not there alike. */
  readonly get: (tenant: string, id: string) => Promise<AsyncExecution | null>
  /** Null if it has ended, was cancelled or is not there: then there is nothing to run. */
  readonly begin: (id: string) => Promise<TakenUp | null>
  /** A runner has begun it. */
  readonly start: (id: string) => Promise<void>
  /** False if it had ended before: the first end counts. */
  readonly end: (id: string, ending: Ending) => Promise<boolean>
  /** The execution now, and whether this call ended it; null as for `get`. */
  readonly cancel: (
    tenant: string,
    id: string,
  ) => Promise<{ readonly execution: AsyncExecution; readonly changed: boolean } | null>
  /** Takes back one that could not be put into the queue. */
  readonly remove: (id: string) => Promise<void>
  /** Those of the ids that have ended or are not there. */
  readonly ended: (ids: readonly string[]) => Promise<string[]>
  /** Hears of cancellations from now on; see Cancellations. */
  readonly onCancelled: (listener: (id: string) => void, onGap: () => void) => void
  readonly close: () => void
}

export type RecordOptions = {
  readonly keyPrefix: string
  /** How long the end of an execution is kept. */
  readonly resultTtlSeconds: number
}

const ID = /^exec_[0-9a-f]{24}$/

/** How long an execution that never ends is kept. */
const UNENDED_MS = 24 * 3_600_000

/** `redis` is a `fail-fast` connection; it is not closed here. */
export function createExecutionRecords(
  { redis, clock }: { readonly redis: Redis; readonly clock: Clock },
  { keyPrefix, resultTtlSeconds }: RecordOptions,
): ExecutionRecords {
  const guard = createGuard(redis)
  const channel = cancelChannel(keyPrefix)
  const cancellations = createCancellations(redis, channel)
  const resultMs = resultTtlSeconds * 1000
  const now = (): number => Math.trunc(clock.wallNow())

  const read = async (tenant: string, id: string): Promise<AsyncExecution | null> => {
    if (!ID.test(id)) return null
    const fields = await redis.hgetall(recordKey(keyPrefix, id))
    return fields['tenant'] === tenant ? toExecution(id, fields) : null
  }

  return {
    create: ({ tenant, keyId, request, reuse }) =>
      guard(async () => {
        const id = newId('exec')
        const createdAt = now()
        await runScript(
          redis,
          'create',
          recordKey(keyPrefix, id),
          tenant,
          JSON.stringify({ keyId, request, reuse }),
          createdAt,
          UNENDED_MS,
        )
        return toExecution(id, { state: 'queued', createdAt: String(createdAt) })
      }),
    get: (tenant, id) => guard(() => read(tenant, id)),
    begin: (id) =>
      guard(async () => {
        const held = (await runScript(redis, 'begin', recordKey(keyPrefix, id))) as string[]
        const [tenant, order, createdAt] = held
        if (tenant === undefined || order === undefined) return null
        const { keyId, request, reuse } = JSON.parse(order) as Pick<TakenUp, 'keyId' | 'request' | 'reuse'>
        return { tenant, keyId, request, reuse, bytes: Buffer.byteLength(order), createdAtMs: Number(createdAt) }
      }),
    start: (id) =>
      guard(async () => {
        await runScript(redis, 'start', recordKey(keyPrefix, id), now())
      }),
    end: (id, ending) =>
      guard(async () => {
        const result = ending.state === 'ended' ? JSON.stringify(ending.result) : ''
        const error = ending.state === 'failed' ? JSON.stringify(ending.error) : ''
        const key = recordKey(keyPrefix, id)
        return (await runScript(redis, 'end', key, ending.state, result, error, now(), resultMs)) === 1
      }),
    cancel: (tenant, id) =>
      guard(async () => {
        if (!ID.test(id)) return null
        const key = recordKey(keyPrefix, id)
        const changed = await runScript(redis, 'cancel', key, tenant, now(), resultMs, channel, id)
        const execution = await read(tenant, id)
        return execution === null ? null : { execution, changed: changed === 1 }
      }),
    remove: (id) =>
      guard(async () => {
        await redis.unlink(recordKey(keyPrefix, id))
      }),
    ended: (ids) =>
      guard(async () => {
        const states = await Promise.all(ids.map((id) => redis.hget(recordKey(keyPrefix, id), 'state')))
        return ids.filter((_, index) => states[index] !== 'queued' && states[index] !== 'running')
      }),
    onCancelled: cancellations.listen,
    close: cancellations.close,
  }
}

/** The texts were written by this package, so they are not checked again. */
function toExecution(id: string, fields: Readonly<Record<string, string>>): AsyncExecution {
  const { state, createdAt, startedAt, endedAt, result, error } = fields
  const time = (text: string | undefined): string | null =>
    text === undefined ? null : new Date(Number(text)).toISOString()
  return {
    id,
    state: state as AsyncState,
    createdAt: time(createdAt) ?? '',
    startedAt: time(startedAt),
    endedAt: time(endedAt),
    result: result === undefined ? null : (JSON.parse(result) as ExecutionResult),
    error: error === undefined ? null : (JSON.parse(error) as Problem),
  }
}
