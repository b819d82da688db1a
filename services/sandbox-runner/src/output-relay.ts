import type { OutputStream, RunnerFrame } from '@loopgate/contracts'

/** Passes on what an execution puts out while it runs. */
export type OutputRelay = {
  readonly push: (stream: OutputStream, bytes: Buffer) => void
  /** Passes on what a character that never ended has left behind. */
  readonly end: () => void
}

/** Largest piece, so that no single one fills the backlog. */
const PIECE_BYTES = 32 * 1024

/**
 * Turns bytes into numbered frames of text. Decoding streams, so no character is cut in two, and what
 * is not UTF-8 becomes U+FFFD. `offer` returns false for a frame that is lost; the next one tells how
 * many bytes are missing.
 */
export function createOutputRelay(leaseId: string, offer: (frame: RunnerFrame) => boolean): OutputRelay {
  const decoders = { stdout: createDecoder(), stderr: createDecoder() }
  const skipped = { stdout: 0, stderr: 0 }
  let seq = 0

  const pass = (stream: OutputStream, text: string, bytes: number): void => {
    if (text === '') return
    if (offer({ type: 'output', leaseId, stream, seq, text, skippedBytes: skipped[stream] })) {
      seq += 1
      skipped[stream] = 0
    } else skipped[stream] += bytes
  }

  return {
    push(stream, bytes) {
      for (let from = 0; from < bytes.length; from += PIECE_BYTES) {
        const piece = bytes.subarray(from, from + PIECE_BYTES)
        pass(stream, decoders[stream].decode(piece, { stream: true }), piece.length)
      }
    },
    end() {
      for (const stream of ['stdout', 'stderr'] as const) pass(stream, decoders[stream].decode(), 0)
    },
  }
}

const createDecoder = () => new TextDecoder('utf-8', { ignoreBOM: true })
