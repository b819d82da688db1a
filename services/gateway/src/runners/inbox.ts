import { runnerFrameSchema, type RunnerFrame } from '@loopgate/contracts'
import { z } from 'zod'

/** Most frames in one message: a runner batches one event-loop turn, and has at most 1,024 slots. */
const MAX_FRAMES = 4_096

const messageSchema = z.array(runnerFrameSchema).max(MAX_FRAMES)

/** A message of a runner as frames, or a sentence that says what is wrong with it. */
export function parseMessage(data: Buffer, isBinary: boolean): readonly RunnerFrame[] | string {
  if (isBinary) return 'expected text'
  let value: unknown
  try {
    value = JSON.parse(data.toString())
  } catch {
    return 'expected JSON'
  }
  const result = messageSchema.safeParse(value)
  if (result.success) return result.data
  const [issue] = result.error.issues
  return `bad frame at ${issue?.path.join('.').slice(0, 60) ?? ''}: ${issue?.code ?? ''}`
}
