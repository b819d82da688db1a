import type { IncomingHttpHeaders } from 'node:http'
import type { Clock } from '@loopgate/service-kit'
import type { SimulatorConfig } from '../config.ts'
import type { StatsRecorder } from '../control/stats.ts'
import { faultReply } from '../faults/answer.ts'
import { replyBroken } from '../faults/break.ts'
import { explainFault, FAULT_HEADER, isAnswer, parseFaultHeader, type Fault } from '../faults/spec.ts'
import type { FaultStore } from '../faults/store.ts'
import { invalidRequest, type ErrorReply } from '../http/errors.ts'
import { requestIdHeaders, writeError, type HeaderList } from '../http/respond.ts'
import { createAdmissionDesk } from './admission.ts'
import { prepareAnswer } from './answer.ts'
import type { Call } from './call.ts'
import { createPace } from './pace.ts'
import { readRequest } from './read-request.ts'
import { reply } from './reply.ts'
import type { Surface } from './surface.ts'

type AnyRequest = { readonly model: string; readonly stream?: boolean | null | undefined }

type Incoming = {
  readonly call: Call
  readonly organisation: string
  readonly headers: IncomingHttpHeaders
  readonly body: Buffer
}

export type CompletionServer = {
  /** Answers one completion: read, fault, admission, generation, answer. */
  readonly serve: <Request extends AnyRequest>(surface: Surface<Request>, incoming: Incoming) => Promise<void>
  /** Answers with an error and ends the call. */
  readonly refuse: (call: Call, error: ErrorReply, headers?: HeaderList) => void
}

export type ServeDeps = { readonly clock: Clock; readonly faults: FaultStore; readonly stats: StatsRecorder }

/** What both completion endpoints do once a request is authenticated. */
export function createCompletionServer({ clock, faults, stats }: ServeDeps, config: SimulatorConfig): CompletionServer {
  const desk = createAdmissionDesk({ clock }, config)
  const pace = createPace({ clock }, config.tokensPerSecond)
  let serial = 0

  const refuse: CompletionServer['refuse'] = (call, error, headers = []) => {
    serial += 1
    call.end()
    writeError(call.response, error, [...requestIdHeaders(serial), ...headers])
  }

  const serve: CompletionServer['serve'] = async (surface, { call, organisation, headers, body }) => {
    const read = await readRequest(
      surface,
      { body, contentType: headers['content-type'], contentEncoding: headers['content-encoding'] },
      config.maxBodyBytes,
    )
    if (!call.isOpen()) return
    if ('error' in read) return refuse(call, read.error)
    const { request, model, bytes } = read
    stats.named(model.id)

    const fault = wantedFault(headers[FAULT_HEADER], faults, model.id, organisation)
    if (fault !== undefined && 'error' in fault) return refuse(call, fault.error)
    if (fault !== undefined && isAnswer(fault.kind)) {
      const answer = faultReply(fault.kind, fault, model.id, clock)
      return refuse(call, answer.error, answer.headers)
    }

    const admitted = desk.admit(call, organisation, model, {
      promptTokens: surface.promptTokens(request),
      requestedTokens: surface.requestedTokens(request),
      promptText: () => surface.promptText(request),
    })
    if ('error' in admitted) return refuse(call, admitted.error, admitted.headers)

    const generation = surface.generate(request, model, admitted.budget)
    admitted.generated(generation.usage.completionTokens)
    serial += 1
    const answer = prepareAnswer(surface, {
      call,
      request,
      model,
      bytes,
      generation,
      headers: admitted.headers,
      serial,
      wallMs: clock.wallNow(),
      tokensPerSecond: config.tokensPerSecond,
      streamed: stats.streamed,
    })
    if (fault === undefined) reply(answer, pace)
    else if (!isAnswer(fault.kind)) replyBroken(fault.kind, { answer, pace, clock, fault })
  }

  return { serve, refuse }
}

/** The fault that the request's own header asks for, else the next one set for its model. */
function wantedFault(
  header: string | string[] | undefined,
  faults: FaultStore,
  model: string,
  organisation: string,
): Fault | { readonly error: ErrorReply } | undefined {
  if (typeof header !== 'string') return faults.take(model, organisation)
  const parsed = parseFaultHeader(header)
  if (parsed.success) return parsed.data
  const lines = explainFault(parsed.error).map(({ path, expected }) => `${FAULT_HEADER}: ${path}: ${expected}`)
  return { error: invalidRequest(lines) }
}
