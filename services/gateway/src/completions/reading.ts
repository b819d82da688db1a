import { hash } from 'node:crypto'
import type { Surface } from '@loopgate/contracts'
import { LRUCache } from 'lru-cache'
import type { z } from 'zod'
import { noBody, type ParseJson } from '../plugins/json-body.ts'
import { refusal } from '../plugins/validation.ts'
import { normalise } from './normalise/normalise.ts'

/** What a completion's body says, validated and normalised. Equal requests share it: it is never changed. */
type Content = {
  readonly body: Readonly<Record<string, unknown>>
  /** Fields that the upstream would have refused, by the paths of the table. */
  readonly normalised: readonly string[]
}

export type Reading = Content & {
  /** The bytes that were read. */
  readonly bytes: Buffer
  /** SHA-256 of them, base64. */
  readonly digest: string
}

/**
 * @throws LoopgateError LG_BAD_JSON, LG_BAD_REQUEST with every field at fault, and in strict mode
 *   LG_FIELD_REFUSED for one that would have to be normalised
 */
export type Reader = (surface: Surface, tenant: string, bytes: Buffer | undefined, strict: boolean) => Reading

/** What was read is remembered for bodies of so many bytes together; it takes some three times as much. */
const REMEMBERED_BYTES = 16 * 1024 * 1024
/** A body above this is read each time: few of them would drive out all others. */
const LARGEST_BYTES = 1024 * 1024
/** What an entry takes beside its body. */
const ENTRY_BYTES = 256

/**
 * Makes the reader of completion bodies. A loop asks for many samples of one request, and a crashed or
 * repeated one asks for all of them again: the same bytes, and what they say is remembered. Reading
 * takes three times as long as the hash that it is remembered by, which the cache needs anyway. A
 * tenant meets only its own, so that the time taken tells nothing about others.
 */
export function createReader(parse: ParseJson, schemas: Readonly<Record<Surface, z.ZodType>>): Reader {
  const contents = new LRUCache<string, Content>({ maxSize: REMEMBERED_BYTES, maxEntrySize: LARGEST_BYTES })

  return (surface, tenant, bytes, strict) => {
    if (bytes === undefined) throw noBody()
    const digest = hash('sha256', bytes, 'base64')
    const name = `${digest} ${surface} ${tenant}`
    let content = contents.get(name)
    // In strict mode only what has nothing to refuse is the same.
    if (content === undefined || (strict && content.normalised.length > 0)) {
      content = read(surface, bytes, strict)
      contents.set(name, content, { size: bytes.length + ENTRY_BYTES })
    }
    return { ...content, bytes, digest }
  }

  function read(surface: Surface, bytes: Buffer, strict: boolean): Content {
    const checked = schemas[surface].safeParse(parse(bytes.toString()))
    if (!checked.success) throw refusal(checked.error.issues)
    const body = checked.data as Record<string, unknown>
    return { body, normalised: normalise(surface, body, strict) }
  }
}
