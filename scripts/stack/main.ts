// npm start: gateway, worker, runner, simulator and Redis, up until Ctrl-C.
import { interruption } from './interruption.ts'
import { StackError } from './ports.ts'
import { startStack, stateFolder } from './stack.ts'

const say = (text: string): void => void process.stdout.write(`loopgate: ${text}\n`)
const cerebrasKey = process.env['CEREBRAS_API_KEY'] || null

try {
  const interrupted = interruption().then((signal) => `stopping on ${signal}`)
  const stack = await startStack({ say, strictPorts: true, cerebrasKey, stateFolder: stateFolder() })
  const { gatewayUrl, apiKey, upstreamUrl } = stack.dev()
  say(`gateway   ${gatewayUrl}   (OpenAI clients: base URL ${gatewayUrl}/v1)`)
  say(`API key   ${apiKey}`)
  say(
    cerebrasKey === null
      ? `upstream  simulator at ${upstreamUrl} with recorded answers; set CEREBRAS_API_KEY for the real API`
      : `upstream  ${upstreamUrl}`,
  )
  say(`keys, addresses and pids stand in ${stateFolder()}/dev.json, logs beside it; Ctrl-C stops everything`)
  const failure = stack.gaveUp.then((reason) => {
    process.exitCode = 1
    return reason
  })
  say(await Promise.race([interrupted, failure]))
  await stack.stop()
  say('stopped')
} catch (error) {
  if (!(error instanceof StackError)) throw error
  say(error.message)
  process.exitCode = 1
}
