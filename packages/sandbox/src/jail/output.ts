import { isUtf8 } from 'node:buffer'
import type { ExecutionResult } from '@loopgate/contracts'

type StreamFacts = NonNullable<ExecutionResult['streams']>['stdout']

/** What a stream said, up to a limit of bytes. */
export type CappedOutput = {
  readonly push: (chunk: Buffer) => void
  /** The bytes kept, decoded leniently; a character cut by the limit is left out. */
  readonly text: () => string
  readonly truncated: () => boolean
  readonly facts: () => StreamFacts
}

export type OutputHooks = {
  /** Called once, when there are more bytes than the limit. */
  readonly onOverflow: () => void
  /** Called with what comes until then. */
  readonly onKept?: ((bytes: Buffer) => void) | undefined
}

/**
 * Keeps all of an output of at most `limitBytes` bytes. Of a longer one it keeps exactly that many: the first
 * half and the last, of what was read before the program was ended for it.
 */
export function createCappedOutput(limitBytes: number, hooks: OutputHooks): CappedOutput {
  let chunks: Buffer[] = []
  let kept = 0
  let bytesTotal = 0
  /** Null until the limit is passed. */
  let head: Buffer | null = null
  let tail = Buffer.alloc(0)
  const headBytes = Math.ceil(limitBytes / 2)

  const split = () => {
    const all = Buffer.concat(chunks, kept)
    chunks = []
    head = all.subarray(0, headBytes)
    // A copy: a piece of a buffer would keep all of it.
    tail = Buffer.from(all.subarray(Math.max(headBytes, all.length - (limitBytes - headBytes))))
  }
  const whole = () => {
    if (chunks.length > 1) chunks = [Buffer.concat(chunks, kept)]
    return chunks[0] ?? Buffer.alloc(0)
  }
  const omittedBytes = () => (head === null ? 0 : bytesTotal - head.length - tail.length)

  return {
    push: (chunk) => {
      const room = limitBytes - bytesTotal
      bytesTotal += chunk.length
      if (room > 0) hooks.onKept?.(chunk.length > room ? chunk.subarray(0, room) : chunk)
      if (head === null) {
        chunks.push(chunk)
        kept += chunk.length
        if (bytesTotal <= limitBytes) return
        split()
        return hooks.onOverflow()
      }
      const tailBytes = limitBytes - headBytes
      tail = chunk.length >= tailBytes ? Buffer.from(chunk) : Buffer.concat([tail, chunk])
      if (tail.length > tailBytes) tail = tail.subarray(tail.length - tailBytes)
    },
    text: () =>
      head === null
        ? decode(whole())
        : `${decode(withoutCutEnd(head))}\n[... ${omittedBytes()} bytes left out ...]\n${decode(withoutCutStart(tail))}`,
    truncated: () => head !== null,
    facts: () => {
      const isText = head === null ? isUtf8(whole()) : isUtf8(withoutCutEnd(head)) && isUtf8(withoutCutStart(tail))
      const bytes = isText ? null : head === null ? whole() : Buffer.concat([head, tail])
      const base64 = bytes === null ? {} : { base64: bytes.toString('base64') }
      return { bytesTotal, omittedBytes: omittedBytes(), ...base64 }
    },
  }
}

const decode = (bytes: Buffer): string => new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)

const isContinuation = (byte: number): boolean => (byte & 0xc0) === 0x80

/** Without the first bytes of a character whose rest is beyond the end. */
function withoutCutEnd(bytes: Buffer): Buffer {
  for (let back = 1; back <= Math.min(3, bytes.length); back++) {
    const lead = bytes[bytes.length - back] ?? 0
    if (isContinuation(lead)) continue
    const length = lead >= 0xf0 ? 4 : lead >= 0xe0 ? 3 : lead >= 0xc0 ? 2 : 1
    return length > back ? bytes.subarray(0, bytes.length - back) : bytes
  }
  return bytes
}

/** Without the last bytes of a character whose start is before the beginning. */
function withoutCutStart(bytes: Buffer): Buffer {
  let start = 0
  while (start < 3 && start < bytes.length && isContinuation(bytes[start] ?? 0)) start += 1
  return bytes.subarray(start)
}
