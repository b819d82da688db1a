import { humanEvalPython, recordedSamples } from '@loopgate/problems'
import t from 'tap'
import { ask, chunksOf, contentOf, kit } from '../kit.ts'

const originals = new Map(humanEvalPython().map((problem) => [problem.taskId, problem.prompt]))
const answerOf = (reply: { json: () => { choices: Array<{ message: { content: string } }> } }) =>
  reply.json().choices[0]?.message.content

t.test('each of the 164 tasks is answered with its recorded sample, the seed modulo 100', async (t) => {
  const { chat } = kit(t)
  const wrong: string[] = []
  for (const task of recordedSamples()) {
    for (const seed of [0, 7, 42, 99, 100, 1042, -1]) {
      const reply = await chat(ask(`Complete this:\n\`\`\`python\n${task.prompt}\`\`\``, { seed, temperature: 0.8 }))
      const index = ((seed % 100) + 100) % 100
      if (answerOf(reply) !== task.samples[index]) wrong.push(`${task.taskId} ${seed}`)
      if (reply.json().choices[0].finish_reason !== 'stop') wrong.push(`${task.taskId} ${seed} is cut`)
    }
  }
  t.same(wrong, [])
})

t.test('without a seed it is sample 0, and streamed or not it is the same text', async (t) => {
  const { chat } = kit(t)
  for (const task of recordedSamples().slice(0, 40)) {
    const body = ask(originals.get(task.taskId) ?? '')
    t.equal(answerOf(await chat(body)), task.samples[0])
    const streamed = await chat({ ...body, stream: true })
    t.equal(contentOf(chunksOf(streamed.body)), task.samples[0])
  }
})

t.test('every part of every message is searched, the last of the user first', async (t) => {
  const { chat } = kit(t)
  const [first, second] = recordedSamples() as unknown as [
    { prompt: string; samples: string[] },
    { prompt: string; samples: string[] },
  ]
  const answer = async (messages: unknown[]) => answerOf(await chat({ model: 'gpt-oss-120b', messages, seed: 3 }))
  t.equal(
    await answer([
      { role: 'system', content: first.prompt },
      { role: 'user', content: 'go' },
    ]),
    first.samples[3],
  )
  t.equal(
    await answer([
      { role: 'user', content: first.prompt },
      { role: 'assistant', content: second.prompt },
      { role: 'user', content: 'It failed. Mend it.' },
    ]),
    first.samples[3],
    'a user’s message goes before an assistant’s later one',
  )
  t.equal(
    await answer([
      { role: 'user', content: first.prompt },
      {
        role: 'user',
        content: [
          { type: 'text', text: 'Now:' },
          { type: 'text', text: second.prompt },
        ],
      },
    ]),
    second.samples[3],
  )
})

t.test('a text completion continues the prompt with the recorded sample', async (t) => {
  const { text } = kit(t)
  const task = recordedSamples()[5]!
  const reply = await text({ model: 'gpt-oss-120b', prompt: task.prompt, seed: 8 })
  t.equal(reply.json().object, 'text_completion')
  t.equal(reply.json().choices[0].text, task.samples[8])
  const echoed = await text({ model: 'gpt-oss-120b', prompt: task.prompt, seed: 8, echo: true })
  t.equal(echoed.json().choices[0].text, task.prompt + task.samples[8])
})
