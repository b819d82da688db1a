import { chatCompletionRequestSchema, type Surface, textCompletionRequestSchema } from '@loopgate/contracts'
import type { Generations } from '@loopgate/generations'
import type { ErrorCode } from '@loopgate/service-kit'
import { z } from 'zod'
import type { App } from '../app-type.ts'
import { NEEDS_KEY, openaiErrors } from '../openapi/responses.ts'
import { jsonParser, unreadJsonBody } from '../plugins/json-body.ts'
import type { KeyServices } from '../keys/key-services.ts'
import { createAdmission } from './admit.ts'
import { complete } from './complete.ts'
import { createReader } from './reading.ts'

/** A context of 131,072 tokens is about half a megabyte of text; images may come to 10 MB (Cerebras docs). */
const BODY_LIMIT_BYTES = 16 * 1024 * 1024

const ERROR_CODES: readonly ErrorCode[] = [
  'LG_BAD_REQUEST',
  'LG_BAD_JSON',
  'LG_FIELD_REFUSED',
  'LG_NO_KEY',
  'LG_WRONG_KEY',
  'LG_FORBIDDEN',
  'LG_MODEL_NOT_FOUND',
  'LG_NOT_FOUND',
  'LG_CONFLICT',
  'LG_TOO_LARGE',
  'LG_MEDIA_TYPE',
  'LG_RATE_LIMITED',
  'LG_OVERLOADED',
  'LG_LIMIT_REACHED',
  'LG_BUDGET_SPENT',
  'LG_UPSTREAM_ERROR',
  'LG_UPSTREAM_UNREACHABLE',
  'LG_UPSTREAM_TRUNCATED',
  'LG_UPSTREAM_AUTH',
  'LG_UPSTREAM_TIMEOUT',
]

const SCHEMAS: Readonly<Record<Surface, z.ZodType>> = {
  chat: chatCompletionRequestSchema,
  text: textCompletionRequestSchema,
}

const DESCRIPTION = `The body passes to the upstream; fields that Loopgate does not know pass too and are part of
the key. With \`stream\` the reply is a server-sent event stream; an error after its headers is a chunk with
finish_reason "error" and an \`error\` object, and no \`[DONE]\` follows. Requests with temperature 0, a \`seed\` or
the header \`x-loopgate-sample\` (a number, any, best or new) share one generation with equal requests, under way or
stored; \`cache-control\` (no-store, no-cache, max-age), \`x-loopgate-cache-ttl\`, \`x-loopgate-cache-scope\` and
\`x-loopgate-cache-length\` say how. \`idempotency-key\` shares any request with its own repetitions.
\`x-loopgate-resumable: true\` gives events ids, after which \`last-event-id\` resumes. \`x-loopgate-mode: strict\`
refuses fields that would else be removed.`

/** `POST /chat/completions` and `POST /completions`, under whichever prefix the scope has. */
export async function completionsRoutes(
  app: App,
  { generations, keys }: { generations: Generations; keys: KeyServices },
): Promise<void> {
  unreadJsonBody(app)
  // The schemas below are for the OpenAPI document: the reader of bodies checks them.
  app.setValidatorCompiler(() => () => true)
  const read = createReader(jsonParser(app), SCHEMAS)
  const admission = createAdmission(keys.limiter, keys.prices)
  const route = (path: string, surface: Surface, summary: string): void => {
    app.post(
      path,
      {
        config: { scope: 'complete' },
        bodyLimit: BODY_LIMIT_BYTES,
        schema: {
          tags: ['completions'],
          summary,
          description: DESCRIPTION,
          security: NEEDS_KEY,
          body: SCHEMAS[surface],
          response: {
            200: {
              description: 'As the upstream answered, byte for byte, or the same answer in the other shape',
              content: {
                'application/json': { schema: z.looseObject({}) },
                'text/event-stream': { schema: z.string() },
              },
            },
            ...openaiErrors(...ERROR_CODES),
          },
        },
      },
      (request, reply) => complete({ generations, admission, read }, surface, request, reply),
    )
  }
  route('/chat/completions', 'chat', 'Complete a chat')
  route('/completions', 'text', 'Complete a text')
}
