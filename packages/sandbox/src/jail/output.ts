/** What a stream said, up to a limit of bytes. */
export type CappedOutput = {
  readonly push: (chunk: Buffer) => void
  /** The bytes kept, decoded leniently; a character cut by the limit is left out. */
  readonly text: () => string
  readonly truncated: () => boolean
}

/**
 * Keeps exactly the first `limitBytes` bytes, tells `onKept` of them as they come, and calls
 * `onOverflow` once when there are more.
 */
export function createCappedOutput(
  limitBytes: number,
  onOverflow: () => void,
  onKept?: (bytes: Buffer) => void,
): CappedOutput {
  // Streaming, so that a character split between two chunks is one character.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true })
  let kept = 0
  let text = ''
  let overflowed = false
  let flushed = false
  return {
    push: (chunk) => {
      if (overflowed) return
      const room = limitBytes - kept
      const part = chunk.length > room ? chunk.subarray(0, room) : chunk
      kept += part.length
      text += decoder.decode(part, { stream: true })
      if (part.length > 0) onKept?.(part)
      if (chunk.length > room) {
        overflowed = true
        onOverflow()
      }
    },
    text: () => {
      if (!flushed && !overflowed) text += decoder.decode()
      flushed = true
      return text
    },
    truncated: () => overflowed,
  }
}
