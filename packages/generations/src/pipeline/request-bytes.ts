import type { GenerationCall } from '../types.ts'

/**
 * The body that goes upstream. What is not shared goes as it came. What is shared is written anew
 * from what the key was made of, so that a body that readers could take in two ways (twice the same
 * member) cannot be stored under one meaning and answered under the other; and its stream always
 * asks for usage, which followers may want.
 */
export function requestBytes({ body, original }: GenerationCall, shared: boolean): Buffer {
  if (!shared) return original?.bytes ?? Buffer.from(JSON.stringify(body))
  const { stream_options: _, ...rest } = body
  const asked = body['stream'] === true ? { ...rest, stream_options: { include_usage: true } } : rest
  return Buffer.from(JSON.stringify(asked))
}
