import { type Clock, fault, type Logger, type LoopgateError } from '@loopgate/service-kit'
import { z } from 'zod'

const modelSchema = z.looseObject({ id: z.string() })
const modelListSchema = z.looseObject({ object: z.literal('list'), data: z.array(modelSchema) })
export type Model = z.infer<typeof modelSchema>
export type ModelList = z.infer<typeof modelListSchema>

/** How long a list is taken as it is, and for how long the last one stands in when the upstream fails. */
const FRESH_MS = 60_000
const STALE_MS = 3_600_000

export type Models = {
  /**
   * The models that the upstream offers.
   * @throws LoopgateError when it does not answer and no list is at hand
   */
  readonly list: () => Promise<ModelList>
  /** @throws LoopgateError LG_MODEL_NOT_FOUND, worded as Cerebras words it */
  readonly get: (id: string) => Promise<Model>
}

/** The model list of the upstream, asked for at most once a minute and never twice at once. */
export function createModels(deps: { clock: Clock; logger: Logger }, fetchList: () => Promise<Buffer>): Models {
  let last: { list: ModelList; at: number } | null = null
  let asking: Promise<ModelList> | null = null

  return { list, get }

  async function list(): Promise<ModelList> {
    if (last !== null && deps.clock.now() - last.at < FRESH_MS) return last.list
    asking ??= ask().finally(() => {
      asking = null
    })
    return await asking
  }

  async function get(id: string): Promise<Model> {
    const found = (await list()).data.find((model) => model.id === id)
    if (found === undefined) throw modelNotFound(id)
    return found
  }

  async function ask(): Promise<ModelList> {
    try {
      const list = modelListSchema.parse(JSON.parse((await fetchList()).toString('utf8')))
      last = { list, at: deps.clock.now() }
      return list
    } catch (error) {
      if (last === null || deps.clock.now() - last.at > STALE_MS) throw asFault(error)
      deps.logger.warn({ err: error }, 'the upstream did not give its models; the last list stands in')
      return last.list
    }
  }
}

function asFault(error: unknown): LoopgateError | Error {
  if (error instanceof SyntaxError || error instanceof z.ZodError) return fault('LG_UPSTREAM_ERROR', { cause: error })
  return error instanceof Error ? error : fault('LG_INTERNAL', { cause: error })
}

/** Text, type and code as the Cerebras API gives them (recorded 404 of 2026). */
export function modelNotFound(id: string): LoopgateError {
  return fault('LG_MODEL_NOT_FOUND', {
    message: `Model ${id} does not exist or you do not have access to it.`,
    param: 'model',
  })
}
