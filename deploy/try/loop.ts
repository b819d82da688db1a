// One loop over the public API: the first HumanEval problem that a recorded sample solves.
// Arguments: the URL of the gateway and a key. Ends 0 if the loop was accepted.
import { createClient } from '@loopgate/client'
import { humanEvalPython, recordedSamples } from '@loopgate/problems'

const [baseUrl = '', apiKey = ''] = process.argv.slice(2)
const solved = recordedSamples().find(({ verdicts }) => verdicts.slice(0, 8).includes('P'))
if (!solved) throw new Error('no recorded sample passes')
const test = humanEvalPython().find(({ taskId }) => taskId === solved.taskId)?.test ?? ''
const { entryPoint, prompt } = solved

const client = createClient({ baseUrl, apiKey })
const created = await client.loops.create({
  goal: `Write the body of the Python function ${entryPoint}.`,
  language: 'python',
  scaffold: prompt,
  checks: [{ id: 'humaneval', entryPoint, prelude: prompt, source: test }],
  sampling: { model: 'gpt-oss-120b', temperature: 0.8, maxCompletionTokens: 512, fanOut: 8 },
  budget: { iterations: 8 },
})
const { state, reason } = await client.loops.wait(created.id)
await client.close()
process.stdout.write(`${solved.taskId}: ${state} ${reason ?? ''}\n`)
process.exitCode = state === 'accepted' ? 0 : 1
