/** A stream as the API sends it (reference: "Streaming"), with multibyte text, reasoning and usage in the last chunk. */
const chunk = (choice: object, rest: object = {}) => ({
  id: 'chatcmpl-3f1c7a52-90de-4b8e-8b1b-6a1f0a4f2d11',
  choices: [choice],
  created: 1795000000,
  model: 'gpt-oss-120b',
  system_fingerprint: 'fp_46358675aa6b1ba4d98d',
  object: 'chat.completion.chunk',
  ...rest,
})

export const USAGE = {
  total_tokens: 104,
  completion_tokens: 35,
  completion_tokens_details: { reasoning_tokens: 9 },
  prompt_tokens: 69,
  prompt_tokens_details: { cached_tokens: 0 },
}

export const DATA: readonly string[] = [
  chunk({ delta: { role: 'assistant' }, index: 0 }),
  chunk({ delta: { reasoning: 'Größe? ' }, index: 0 }),
  chunk({ delta: { content: 'const größe = "日本" // 🚀', reasoning: 'ja' }, index: 0 }),
  chunk({ delta: { content: ' says "finish_reason":"stop", "error": and [DONE' }, index: 0 }),
  chunk(
    { delta: {}, finish_reason: 'stop', index: 0 },
    { usage: USAGE, time_info: { queue_time: 0.004, total_time: 0.0267 } },
  ),
]
  .map((value) => JSON.stringify(value))
  .concat('[DONE]')

/** The stream with the line ends given, taken in turn. */
export function framed(lineEnds: readonly string[] = ['\n'], data: readonly string[] = DATA): Buffer {
  let turn = 0
  const end = () => lineEnds[turn++ % lineEnds.length] ?? '\n'
  return Buffer.from(data.map((text) => `data: ${text}${end()}${end()}`).join(''))
}
