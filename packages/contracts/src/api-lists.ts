import { z } from 'zod'
import { loopViewSchema } from './loop.ts'
import { runnerViewSchema } from './runner-frames.ts'

/** `GET /api/loops`: newest first. `next` is the `after` of the following page, null on the last. */
export const loopListSchema = z.object({
  loops: z.array(loopViewSchema),
  next: z.string().nullable(),
})
export type LoopList = z.infer<typeof loopListSchema>

/** `GET /api/runners`: the runners attached to the replica that answers. */
export const runnerListSchema = z.object({ runners: z.array(runnerViewSchema) })
export type RunnerList = z.infer<typeof runnerListSchema>
