import { decodeBody, parseJson } from '../http/body.ts'
import { invalidRequest, modelNotFound, type ErrorReply } from '../http/errors.ts'
import { findModel, type Model } from '../models/catalogue.ts'
import { describeProblems } from '../requests/problems.ts'
import type { Surface } from './surface.ts'

export type RawRequest = {
  readonly body: Buffer
  readonly contentType: string | undefined
  readonly contentEncoding: string | undefined
}

export type ReadRequest<Request> =
  | { readonly request: Request; readonly model: Model; readonly bytes: Buffer }
  | { readonly error: ErrorReply }

/** Decodes, parses and validates a body, and finds its model: the first stage of every completion. */
export async function readRequest<Request extends { readonly model: string }>(
  surface: Surface<Request>,
  raw: RawRequest,
  maxBodyBytes: number,
): Promise<ReadRequest<Request>> {
  const decoded = await decodeBody(raw.body, raw.contentType, raw.contentEncoding, maxBodyBytes)
  if ('error' in decoded) return decoded
  const parsed = parseJson(decoded.bytes)
  if ('error' in parsed) return parsed
  const checked = surface.schema.safeParse(parsed.value)
  if (!checked.success) return { error: invalidRequest(describeProblems(checked.error.issues, parsed.value)) }
  const request = checked.data
  const model = findModel(request.model)
  if (model === undefined) return { error: modelNotFound(request.model) }
  const broken = surface.ruleError(request, model)
  return broken === undefined ? { request, model, bytes: decoded.bytes } : { error: broken }
}
