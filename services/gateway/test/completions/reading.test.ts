import { answerJson, scratchUpstream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import t from 'tap'
import { door, post, QUESTION } from './kit.ts'

const REPLY = {
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, finish_reason: 'stop', message: { role: 'assistant', content: 'Hello' } }],
}
const answer = (call: ScratchCall): unknown => answerJson(call, 200, REPLY)

t.test('a body that has come before is read as it was the first time, however it is asked for', async (t) => {
  const upstream = await scratchUpstream(t, answer)
  const gate = await door(t, upstream)
  const body = { ...QUESTION, store: true, maxTokens: 5 }
  for (const round of [1, 2, 3]) {
    const { status, headers } = await post(gate, body)
    t.equal(status, 200)
    t.equal(headers.get('x-loopgate-normalised'), 'maxTokens, store', `round ${round}`)
    const strict = await post(gate, body, { 'x-loopgate-mode': 'strict' })
    t.match([strict.status, strict.json['error']], [400, { param: 'store' }], `strict, round ${round}`)
  }
  t.strictSame(
    upstream.calls.map((call) => call.body),
    [1, 2, 3].map(() => ({ ...QUESTION, max_tokens: 5 })),
  )
})

t.test('a body that is refused is refused again, and its text on the other surface is another body', async (t) => {
  const gate = await door(t, await scratchUpstream(t, answer))
  const prompt = { model: 'm', prompt: 'x', messages: 'not a list' }
  for (const round of [1, 2]) {
    t.match(await post(gate, prompt), { status: 400, json: { error: { param: 'messages' } } }, `round ${round}`)
    t.match(await post(gate, prompt, {}, '/v1/completions'), { status: 200 }, `round ${round}`)
  }
})

t.test('a request without a body is told so', async (t) => {
  const gate = await door(t, await scratchUpstream(t, answer))
  for (const path of ['/v1/chat/completions', '/v1/completions']) {
    const headers = { authorization: `Bearer ${gate.apiKey}` }
    const response = await fetch(gate.url + path, { method: 'POST', headers })
    t.equal(response.status, 400)
    t.match(await response.json(), { error: { code: 'wrong_api_format', message: /the body/i } })
  }
})
