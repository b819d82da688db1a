import { gatewayFrameSchema, type GatewayFrame } from '@loopgate/contracts'
import { z } from 'zod'

const messageSchema = z.array(gatewayFrameSchema).max(10_000)

/** The frames of one message, or what is wrong with it in at most 120 characters (a close reason holds 123 bytes). */
export function parseMessage(data: Buffer, isBinary: boolean): GatewayFrame[] | string {
  if (isBinary) return 'expected text'
  let json: unknown
  try {
    json = JSON.parse(data.toString('utf8'))
  } catch {
    return 'expected JSON'
  }
  const result = messageSchema.safeParse(json)
  if (result.success) return result.data
  const [issue] = result.error.issues
  return `${issue?.path.join('.') ?? ''}: ${issue?.message ?? 'not a frame'}`
    .replace(/[^\x20-\x7e]/g, '?')
    .slice(0, 120)
}
