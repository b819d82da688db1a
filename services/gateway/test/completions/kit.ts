import { Cerebras } from '@cerebras/cerebras_cloud_sdk'
import { gateway, type TestGateway } from '@loopgate/testkit/gateway'
import { answerJson, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import { OpenAI } from 'openai'
import type { Test } from 'tap'
import { type Reply, send } from '../kit/http.ts'

export const QUESTION = {
  model: 'gpt-oss-120b',
  messages: [{ role: 'user' as const, content: 'Say something about loops.' }],
}

/** The unmodified SDKs, pointed at a gateway; they do not repeat a call unless the test wants it. */
export function sdks({ url, apiKey }: TestGateway, options: { maxRetries?: number } = {}) {
  const { maxRetries = 0 } = options
  return {
    openai: new OpenAI({ apiKey, baseURL: `${url}/v1`, maxRetries }),
    cerebras: new Cerebras({ apiKey, baseURL: url, maxRetries, warmTCPConnection: false }),
  }
}

/** A gateway in front of the upstream given. */
export async function door(
  t: Test,
  upstream: { readonly url: string; readonly apiKey?: string },
): Promise<TestGateway> {
  return await gateway(t, { upstreamUrl: upstream.url, upstreamKey: upstream.apiKey ?? 'csk-canary-0123456789' })
}

/** Asks for a completion over plain HTTP. */
export async function post(
  { url, apiKey }: { readonly url: string; readonly apiKey: string },
  body: unknown,
  headers: Record<string, string> = {},
  path = '/v1/chat/completions',
): Promise<Reply> {
  return await send(url + path, { key: apiKey, body, headers })
}

export { metric } from '@loopgate/testkit/metrics'

/** What an upstream of the test's own answers when all is well. */
export const answer = (call: ScratchCall, text = 'hello') =>
  answerJson(call, 200, {
    id: 'x',
    object: 'chat.completion',
    created: 1,
    model: String(call.body['model']),
    choices: [{ index: 0, message: { role: 'assistant', content: text }, finish_reason: 'stop' }],
    usage: { prompt_tokens: 1, completion_tokens: 1, total_tokens: 2 },
  })

/** And when it says no, in the shape of Cerebras. */
export const refuse = (call: ScratchCall, status: number, code = '', headers: Record<string, string> = {}) =>
  answerJson(call, status, { message: 'no', type: 't', param: 'p', code }, headers)
