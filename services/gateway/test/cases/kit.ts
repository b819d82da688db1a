import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'

export const USAGE = {
  prompt_tokens: 30,
  completion_tokens: 20,
  total_tokens: 50,
  prompt_tokens_details: { cached_tokens: 12 },
  completion_tokens_details: { reasoning_tokens: 7, accepted_prediction_tokens: 0 },
}

export const event = (value: unknown): string => `data: ${JSON.stringify(value)}\n\n`

export const delta = (content: string, rest: object = {}): string =>
  event({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta: { content }, finish_reason: null, ...rest }] })

export const finish = (reason = 'stop'): string =>
  event({ id: 'chatcmpl-1', model: 'm', choices: [{ index: 0, delta: {}, finish_reason: reason }], usage: USAGE })

export const DONE = 'data: [DONE]\n\n'

/** What the model says in these tests. */
export const TEXT = 'Hello 🌍'
export const STREAM = `${delta('Hel')}${delta('lo 🌍')}${finish()}${DONE}`

export const document = (text = TEXT, reason = 'stop') => ({
  id: 'chatcmpl-1',
  object: 'chat.completion',
  model: 'm',
  choices: [{ index: 0, finish_reason: reason, message: { role: 'assistant', content: text } }],
  usage: USAGE,
})

/** Answers as Cerebras does, in the shape and on the surface that is asked for. */
export function answer(call: ScratchCall): void {
  if (call.method === 'GET') return answerJson(call, 200, { object: 'list', data: [{ id: 'm', object: 'model' }] })
  const text = call.path.includes('chat') ? null : { choices: [{ index: 0, text: TEXT, finish_reason: 'stop' }] }
  if (call.body['stream'] !== true) {
    answerJson(call, 200, text === null ? document() : { object: 'text_completion', ...text, usage: USAGE })
  } else beginStream(call).end(text === null ? STREAM : `${event({ ...text, usage: USAGE })}${DONE}`)
}

/** The texts of a reply's data lines, in order. */
export const dataOf = (stream: string): string[] =>
  [...stream.matchAll(/^data: (.*)$/gm)].map((match) => match[1] ?? '')

/** What the model said, whichever shape the reply has; throws for what is neither. */
export function contentOf(reply: string): string {
  if (!reply.startsWith('data:')) return textOf(JSON.parse(reply))
  return dataOf(reply)
    .filter((data) => data !== '[DONE]')
    .map((data) => textOf(JSON.parse(data)))
    .join('')
}

type Choice = { message?: { content?: string }; delta?: { content?: string }; text?: string }

function textOf(value: unknown): string {
  const [choice] = (value as { choices: Choice[] }).choices
  return choice?.message?.content ?? choice?.delta?.content ?? choice?.text ?? ''
}
