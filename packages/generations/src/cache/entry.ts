import { promisify } from 'node:util'
import { zstdCompress, zstdDecompress } from 'node:zlib'
import { type Surface, usageSchema } from '@loopgate/contracts'
import { z } from 'zod'
import type { Recording } from '../shape/recording.ts'

/** What is known of a stored generation besides the answer. */
type EntryFacts = {
  /** Who may share it, and the version of the namespace that it was stored under. */
  readonly scope: string
  readonly namespace: number
  readonly surface: Surface
  readonly model: string
  readonly finishReasons: readonly string[]
  /** A digest of each field of the request, to find the one in which another differs. */
  readonly fields: Readonly<Record<string, string>>
  readonly lifeMs: number
}

/** A stored generation. */
export type Entry = {
  readonly recording: Recording
  readonly facts: EntryFacts
  /** Wall clock, in ms since the epoch. */
  readonly createdAtMs: number
}

/** Raised whenever the format changes; other versions are not read. */
const FORMAT = 2
const MAGIC = Buffer.from([0x4c, 0x47, FORMAT])
/** Bytes before the header: the magic and the header's length. */
const PREAMBLE_BYTES = MAGIC.length + 4

/** Below this a value is stored as it is: the round trip through the thread pool costs more than it saves. */
const COMPRESS_BYTES = 4 * 1024
/** No recording is larger; a value that claims to be is not unfolded. */
const MAX_BYTES = 64 * 1024 * 1024

const headerSchema = z.object({
  key: z.string(),
  kind: z.enum(['stream', 'document']),
  createdAtMs: z.number(),
  usage: usageSchema.nullable(),
  usageOnly: z.tuple([z.int(), z.int()]).readonly().nullable(),
  facts: z.object({
    scope: z.string(),
    namespace: z.int(),
    surface: z.enum(['chat', 'text']),
    model: z.string(),
    finishReasons: z.array(z.string()).readonly(),
    fields: z.record(z.string(), z.string()),
    lifeMs: z.number(),
  }),
  zstd: z.boolean(),
  bytes: z.int().max(MAX_BYTES),
})

const compress = promisify(zstdCompress)
const decompress = promisify(zstdDecompress)

/** The value that Redis holds: a header with the entry's own key, then the bytes as they came or zstd. */
export async function encodeEntry(key: string, { recording, facts, createdAtMs }: Entry): Promise<Buffer> {
  const { kind, bytes, usage, usageOnly } = recording
  const zstd = bytes.length >= COMPRESS_BYTES
  const body = zstd ? await compress(bytes) : bytes
  const header = Buffer.from(
    JSON.stringify({ key, kind, createdAtMs, facts, usage, usageOnly, zstd, bytes: bytes.length } satisfies z.input<
      typeof headerSchema
    >),
  )
  const length = Buffer.allocUnsafe(4)
  length.writeUInt32BE(header.length)
  return Buffer.concat([MAGIC, length, header, body])
}

/**
 * Reads a value, or rejects if it is not whole, of another format, or not the one of this key: a
 * reply of Redis that belongs to another command must never reach a caller.
 */
export async function decodeEntry(key: string, value: Buffer): Promise<Entry> {
  if (!value.subarray(0, MAGIC.length).equals(MAGIC)) throw new Error('not an entry of this format')
  const end = PREAMBLE_BYTES + value.readUInt32BE(MAGIC.length)
  const header = headerSchema.parse(JSON.parse(value.toString('utf8', PREAMBLE_BYTES, end)))
  if (header.key !== key) throw new Error('the entry belongs to another key')
  const body = value.subarray(end)
  const bytes = header.zstd ? await decompress(body, { maxOutputLength: header.bytes }) : body
  if (bytes.length !== header.bytes) throw new Error('the entry is not whole')
  const { kind, usage, usageOnly, facts, createdAtMs } = header
  return { recording: { kind, bytes, usage, usageOnly }, facts, createdAtMs }
}
