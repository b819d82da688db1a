import { CLOSE_CODES } from '@loopgate/contracts'
import { ERRORS } from '@loopgate/service-kit'
import { GENERATED, table } from './markdown.ts'

/** `docs/errors.md`: every error that a client can meet. */
export function errorsPage(): string {
  const rows = Object.entries(ERRORS).map(([code, row]) => [
    `\`${code}\``,
    String(row.status),
    row.retryable ? 'yes' : 'no',
    `\`${row.type}\``,
    `\`${row.openaiCode}\``,
    row.message,
  ])
  const closing = Object.entries(CLOSE_CODES).map(([name, code]) => [String(code), name])
  return `# Errors

${GENERATED}

On \`/api\` an error is \`application/problem+json\` (RFC 9457) with \`code\`, \`retryable\`, the request's id as \`instance\`
and, for a refused body, \`errors\`: each field and what was expected of it. On \`/v1\` and its routes without the
prefix it has the OpenAI shape, \`{error: {message, type, param, code}}\`, with the same members at the top level,
where the Cerebras SDK reads them. The text of a 5xx is always that of this table; its cause stands in the log,
under the request's id (\`x-request-id\`). Replies with 429 and 503 carry \`retry-after\` and \`retry-after-ms\`.
Where SDKs would try again by themselves (409, 429, 5xx) and that cannot help, \`x-should-retry: false\` keeps them from it.

An error of the upstream that concerns the caller keeps the upstream's status and text. Once the headers of a stream
are out, an error is an event in it, and no \`[DONE]\` follows.

${table(['code', 'status', 'retryable', 'type on /v1', 'code on /v1', 'meaning'], rows)}

## Close codes of the runner socket

Beyond those of RFC 6455 (1009: a message above the limit; 1013: the runner lets too much pile up unread).

${table(['code', 'meaning'], closing)}
`
}
