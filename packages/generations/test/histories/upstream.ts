import { answerJson, beginStream, type ScratchCall } from '@loopgate/testkit/scratch-upstream'
import { chunk, chunksOf, documentOf, event } from '../kit.ts'

/** What the model knows of an upstream call. */
type Said = {
  readonly call: ScratchCall
  readonly question: number
  /** The step of all histories in which it began. */
  readonly began: number
  /** What its answer says so far: the question, the call's own number, and a dot for each further chunk. */
  text: string
  state: 'open' | 'whole' | 'failed' | 'left'
}

type Word = 'chunk' | 'end' | 'refuse' | 'fail' | 'break'

/** An upstream that says nothing by itself, and remembers all that it has said. */
export function createModel(now: () => number) {
  const calls: Said[] = []
  return {
    calls,
    answer(call: ScratchCall): void {
      const question = Number(call.body['seed'])
      const said: Said = { call, question, began: now(), text: `${question}#${call.serial}`, state: 'open' }
      calls.push(said)
      void call.abandoned.then(() => (said.state = said.state === 'open' ? 'left' : said.state))
    },
    /** Calls that are open, of questions from this one on. */
    open: (from: number): Said[] => calls.filter(({ state, question }) => state === 'open' && question >= from),
    by: (serial: number | null): Said | undefined => calls.find(({ call }) => call.serial === serial),
    say,
  }
}

/** Says a word in a call if it can still be said: a refusal or a fault only before the first byte. */
function say(said: Said | undefined, word: Word): void {
  if (said === undefined || said.state !== 'open') return
  const { call, text } = said
  const begun = call.response.headersSent
  if (word === 'refuse' || word === 'fail') {
    if (begun) return
    said.state = 'failed'
    const status = word === 'refuse' ? 422 : 503
    answerJson(call, status, { message: `${word} ${text}`, type: 'x', param: null, code: 'y' })
  } else if (word === 'break') {
    said.state = 'failed'
    call.response.destroy()
  } else if (call.body['stream'] === true) stream(said, word)
  else if (word === 'end') {
    said.state = 'whole'
    answerJson(call, 200, documentOf(text))
  }
}

function stream(said: Said, word: 'chunk' | 'end'): void {
  const { response } = said.call
  if (!response.headersSent) {
    beginStream(said.call)
    response.write(event(chunk({ content: said.text })))
  }
  if (word === 'chunk') {
    said.text += '.'
    response.write(event(chunk({ content: '.' })))
  } else {
    said.state = 'whole'
    response.end(Buffer.concat(chunksOf([]).slice(-2)))
  }
}

/** The upstream call that an answer or a failure comes from. */
export function serialIn(text: string): number | null {
  const found = /\d+#(\d+)/.exec(text)
  return found === null ? null : Number(found[1])
}
